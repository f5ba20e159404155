/** What an author wrote about something, as paragraphs of text and code. Nothing in it becomes markup. */

/** A piece of a paragraph. */
export interface DocsPart {
  readonly text: string;
  readonly code: boolean;
}

/** Paragraphs are apart by an empty line; a single line break is where the author's editor broke it. Code stands in backticks. */
export function docsOf(text: string): readonly (readonly DocsPart[])[] {
  return text
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replace(/\s*\n\s*/g, ' ').trim())
    .filter((paragraph) => paragraph !== '')
    .map((paragraph) => paragraph.split(/`([^`]+)`/).map((part, index) => ({ text: part, code: index % 2 === 1 })).filter((part) => part.text !== ''));
}
