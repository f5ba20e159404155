import { InjectionToken } from '@angular/core';

import type { PreviewData } from '../data/api/operations';

/** What the engine says of an expression that is being written. */
export type Seen = PreviewData['previewExpression'];

/** Asks the engine for the value of an expression, where somebody writes one. */
export interface Previewer {
  /** Grows whenever values may have changed that expressions use. */
  readonly version: () => number;
  /** The value and what is wrong; with a caret also what can come there. Null when nobody answers. */
  look(text: string, template: boolean, caret: number | null): Promise<Seen | null>;
}

/** Who is asked in this part of the page; nobody, where there is none. */
export const PREVIEWER = new InjectionToken<Previewer>('previewer');
