/** Exit codes of `holdfast`, documented in docs/cli.md. */
export const EXIT = {
  ok: 0,
  /** Something is not well, or what was asked for cannot be done (no such connection). */
  notWell: 1,
  /** Could not tell or could not start: bad arguments or configuration, no Redis. */
  cannotTell: 2,
  /** A defect; the log has the stack. */
  defect: 70,
} as const;
