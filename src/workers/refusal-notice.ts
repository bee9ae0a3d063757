/** What people read where an answer should stand that the platform refused. */

/** In the language of the answer, which is most likely theirs. */
export function refusalNotice(refused: string): string {
  return /\p{Script=Han}/u.test(refused)
    ? '这条回复的内容被平台拒绝，未能发出。'
    : 'This answer could not be delivered: the platform refused what it says.';
}
