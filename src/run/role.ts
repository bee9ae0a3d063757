export const ROLE_NAMES = ['connections', 'scheduler', 'agent', 'delivery', 'web'] as const;
export type RoleName = (typeof ROLE_NAMES)[number];

/** One of the jobs a process can do. */
export interface Role {
  readonly name: RoleName;
  /** Resolves when the role can do its work. */
  readonly ready: Promise<void>;
  /** Stops taking work and finishes or gives back what it has. Never throws for the state of the outside world. */
  drain(reason: string): Promise<void>;
}
