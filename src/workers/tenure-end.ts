/** How one tenure ended. Everything after the hold (Redis, the job, logs) is decided by this one value. */
export type TenureEnd =
  /** Another unexpired lease stands. */
  | { readonly kind: 'busy'; readonly leftMs: number; readonly owner: string }
  /** Paused, disabled or removed meanwhile: nothing was claimed. */
  | { readonly kind: 'not-wanted' }
  /** Meant for another worker for the moment. */
  | { readonly kind: 'elsewhere' }
  /** This worker lacks what the connection needs; another may have it. */
  | { readonly kind: 'unfit'; readonly reason: string }
  /** The platform refuses this host and no other: the connection goes to another one. */
  | { readonly kind: 'host-refused'; readonly reason: string }
  /** Ended on purpose with the session kept. `again`: should go on elsewhere, or here afresh. `leaving`: its worker ends. */
  | { readonly kind: 'handed-over'; readonly reason: string; readonly again: boolean; readonly leaving: boolean }
  | { readonly kind: 'fenced'; readonly reason: string }
  | { readonly kind: 'fatal'; readonly error: Error; readonly code: string }
  /** The hold threw or returned without having been asked: always a defect, always started again. */
  | { readonly kind: 'bug'; readonly error: Error }
  /** Redis could not be asked before anything was held. */
  | { readonly kind: 'unreachable'; readonly error: Error };
