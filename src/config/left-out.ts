/** Stands where a value could not be found, or was not wanted. Never a secret. */
export const LEFT_OUT = 'left-out';
