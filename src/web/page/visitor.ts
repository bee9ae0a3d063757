/** Who looks at the page, as the server says in it: somebody who has logged in, or anybody, who can change nothing. */
export const isReadOnly = document.documentElement.dataset.visitor === 'read-only';
