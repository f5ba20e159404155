import { Injectable } from '@angular/core';

import { isList, isObject, type Json } from '../domain/json';
import { jsonText, parseJson } from '../domain/json-text';
import { EMPTY_LAYOUT, type Layout, type Note, type Point } from '../domain/layout/layout';

/** A document as this browser keeps it. */
export interface LocalDraft {
  readonly text: string;
  readonly layout: Layout;
  /** When it was kept, milliseconds. */
  readonly at: number;
}

const KEY = 'ff-draft';

/** Keeps the document in this browser, so that a closed window loses nothing. */
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
  return { text: value['text'], layout: parseLayout(value['layout']), at: typeof value['at'] === 'number' ? value['at'] : 0 };
}

function parseLayout(value: Json | undefined): Layout {
  if (!isObject(value)) return EMPTY_LAYOUT;
  const positions = isObject(value['positions']) ? value['positions'] : {};
  const notes = isList(value['notes']) ? value['notes'] : [];
  return {
    positions: Object.fromEntries(Object.entries(positions).flatMap(([id, at]) => (isPoint(at) ? [[id, at] as const] : []))),
    notes: notes.flatMap((note) => (isNote(note) ? [note] : [])),
  };
}

function isPoint(value: Json | undefined): value is Json & Point {
  return isObject(value) && typeof value['x'] === 'number' && typeof value['y'] === 'number';
}

function isNote(value: Json): value is Json & Note {
  return isPoint(value) && isObject(value) && typeof value['id'] === 'string' && typeof value['text'] === 'string' && typeof value['width'] === 'number' && typeof value['height'] === 'number';
}
