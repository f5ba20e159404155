/** The functions of expressions, as `flowforge expr help` lists them. */
export interface ExpressionFunction {
  readonly name: string;
  /** What it is called on; `free` for one that stands alone. */
  readonly on: 'free' | 'list' | 'text' | 'any';
  /** What is written after the name; `|` marks where the caret goes. */
  readonly insert: string;
  readonly summary: string;
}

const fn = (name: string, on: ExpressionFunction['on'], insert: string, summary: string): ExpressionFunction => ({ name, on, insert, summary });

export const FUNCTIONS: readonly ExpressionFunction[] = [
  fn('map', 'list', '(e, |)', 'A value for each element.'),
  fn('filter', 'list', '(e, |)', 'The elements for which the condition is true.'),
  fn('all', 'list', '(e, |)', 'Whether it is true for all.'),
  fn('exists', 'list', '(e, |)', 'Whether it is true for one at least.'),
  fn('exists_one', 'list', '(e, |)', 'Whether it is true for exactly one.'),
  fn('sort_by', 'list', '(e, |)', 'Sorted by a key of each element, smallest first.'),
  fn('join', 'list', '(|)', 'The elements as one text; numbers too.'),
  fn('reverse', 'list', '()', 'In the opposite order.'),
  fn('slice', 'list', '(|)', 'The elements from one index up to before another.'),
  fn('flatten', 'list', '()', 'The elements of its lists in one list.'),
  fn('contains', 'text', '(|)', 'Whether a text has a part.'),
  fn('startsWith', 'text', '(|)', 'Whether a text begins so.'),
  fn('endsWith', 'text', '(|)', 'Whether a text ends so.'),
  fn('matches', 'text', '(|)', 'Whether a regular expression is found in it.'),
  fn('lowerAscii', 'text', '()', 'In lower case.'),
  fn('upperAscii', 'text', '()', 'In upper case.'),
  fn('trim', 'text', '()', 'Without blanks at its ends.'),
  fn('replace', 'text', '(|)', 'With parts replaced.'),
  fn('split', 'text', '(|)', 'Its parts.'),
  fn('substring', 'text', '(|)', 'Part of a text.'),
  fn('size', 'any', '()', 'Length of a text, a list or an object.'),
  fn('default', 'free', '(|)', 'x, or y if any part of x is absent or null.'),
  fn('has', 'free', '(|)', 'Whether the field is there.'),
  fn('sum', 'free', '(|)', 'The sum; 0 for an empty list.'),
  fn('min', 'free', '(|)', 'The smallest.'),
  fn('max', 'free', '(|)', 'The largest.'),
  fn('round', 'free', '(|)', 'Rounded to a whole number, or to so many digits.'),
  fn('unique', 'free', '(|)', 'Each element once, in order.'),
  fn('first', 'free', '(|)', 'The first element.'),
  fn('date', 'free', '(|)', 'A day in UTC, or another form.'),
  fn('now', 'free', '()', 'The moment the step became due; the same in every attempt.'),
  fn('timestamp', 'free', '(|)', 'A moment.'),
  fn('duration', 'free', '(|)', 'A length of time.'),
  fn('json', 'free', '(|)', 'Text read as JSON; anything else as JSON text.'),
  fn('string', 'free', '(|)', 'As text.'),
  fn('int', 'free', '(|)', 'As a whole number.'),
  fn('double', 'free', '(|)', 'As a number with a fraction.'),
];
