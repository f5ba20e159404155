import { Injectable } from '@angular/core';

import type { DraftMark } from '../domain/document/mark';
import { isObject, type Json } from '../domain/json';
import { jsonText, parseJson } from '../domain/json-text';
import type { Layout } from '../domain/layout/layout';
import { readLayout } from '../domain/layout/layout-json';

/** A document as this browser keeps it. */
export interface LocalDraft {
  readonly text: string;
  readonly layout: Layout;
  /** When it was kept, milliseconds. */
  readonly at: number;
  /** What the control plane had of it then. */
  readonly mark: DraftMark | null;
}

const KEY = 'ff-draft';

/** Keeps the document in this browser, so that a closed window loses nothing, with and without a control plane. */
@Injectable({ providedIn: 'root' })
export class LocalDrafts {
  read(): LocalDraft | null {
    const text = localStorage.getItem(KEY);
    if (text === null) return null;
    try {
      return parseDraft(parseJson(text));
    } catch {
      return null;
    }
  }

  /** Whether it could be kept: the browser may have no room. */
  write(draft: LocalDraft): boolean {
    try {
      localStorage.setItem(KEY, jsonText(draft));
      return true;
    } catch {
      return false;
    }
  }

  remove(): void {
    localStorage.removeItem(KEY);
  }
}

function parseDraft(value: Json): LocalDraft | null {
  if (!isObject(value) || typeof value['text'] !== 'string') return null;
  return { text: value['text'], layout: readLayout(value['layout']), at: typeof value['at'] === 'number' ? value['at'] : 0, mark: parseMark(value['mark']) };
}

function parseMark(value: Json | undefined): DraftMark | null {
  if (!isObject(value)) return null;
  const { workflow, revision, baseVersion, text, savedAt, savedBy } = value;
  if (typeof workflow !== 'string' || typeof revision !== 'number' || typeof text !== 'string') return null;
  return { workflow, revision, text, baseVersion: typeof baseVersion === 'number' ? baseVersion : null, savedAt: typeof savedAt === 'number' ? savedAt : 0, savedBy: typeof savedBy === 'string' ? savedBy : '' };
}
