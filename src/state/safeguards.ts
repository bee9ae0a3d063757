/**
 * The three protections that keep messages from being lost or doubled. Always on in service; the chaos report turns
 * them off one at a time to show that its checks would notice.
 */
export interface Safeguards {
  readonly cursor: boolean;
  readonly dedupe: boolean;
  readonly fence: boolean;
}

export const ALL_SAFEGUARDS: Safeguards = { cursor: true, dedupe: true, fence: true };
