/** What was reported and is not mended yet. A row that is built moves to the file of its subject. */

import { later } from '../row.ts';

const TURNS = 'turns that record their starts, and limits that count silence';
const CONTENT = 'content of more kinds than text';

later([
  { id: 'G10', must: 'ask with less history when it is larger than the window of the model', needs: TURNS },
  { id: 'G15', must: 'keep the thoughts of a model out of chats and history', needs: TURNS },
  { id: 'G16', must: 'hand the transcript of a QQ voice message to the agent', needs: CONTENT },
  { id: 'G17', must: 'hand QQ faces to the agent as words', needs: CONTENT },
  { id: 'G18', must: 'make one turn of an album, and of a paste in two messages', needs: CONTENT },
  { id: 'G19', must: 'tell the agent what a message quotes', needs: CONTENT },
  { id: 'M11', must: 'let nobody reach the agent who was not let in', needs: 'access rules and pairing' },
]);
