/** Text with marks, in no platform's syntax: what Markdown is read into and the platform's markup is written from. */

/** What a stretch of text is. `offset` and `length` count UTF-16 units; marks are nested or apart, never crossing. */
export type Mark = { readonly offset: number; readonly length: number } & MarkKind;

export type MarkKind =
  | { readonly kind: 'bold' | 'italic' | 'strike' | 'code' | 'quote' }
  | { readonly kind: 'link'; readonly url: string }
  /** Whole lines, to be shown as they are. */
  | { readonly kind: 'pre'; readonly language: string | null };

export interface Formatted {
  readonly text: string;
  /** In the order in which they begin, outer ones first. */
  readonly marks: readonly Mark[];
}

/** Grows a {@link Formatted} from the front. */
export class FormattedBuilder {
  #text = '';
  readonly #marks: Mark[] = [];
  #isQuoting = false;

  add(text: string): void {
    this.#text += text;
  }

  /** Marks all that `fill` adds; what adds nothing is not marked, and a quotation within one is no second one. */
  mark(kind: MarkKind, fill: () => void): void {
    if (kind.kind !== 'quote') {
      this.#mark(kind, fill);
    } else if (this.#isQuoting) {
      fill();
    } else {
      this.#isQuoting = true;
      this.#mark(kind, fill);
      this.#isQuoting = false;
    }
  }

  #mark(kind: MarkKind, fill: () => void): void {
    const at = this.#marks.length;
    const offset = this.#text.length;
    fill();
    const length = this.#text.length - offset;
    // Before the marks that were made inside of it.
    if (length > 0) this.#marks.splice(at, 0, { ...kind, offset, length });
  }

  build(): Formatted {
    return { text: this.#text, marks: [...this.#marks] };
  }
}
