/** The layout as JSON: as this browser keeps it, and as a draft of the control plane has it. */
import { isList, isObject, type Json } from '../json';
import { EMPTY_LAYOUT, type Layout, type Note, type Point } from './layout';

/** The layout of a draft: `nodes` is what the control plane reads; the notes are this interface's own. */
export function layoutJson(layout: Layout): Json {
  return {
    nodes: Object.fromEntries(Object.entries(layout.positions).map(([id, { x, y }]) => [id, { x, y }])),
    notes: layout.notes.map(({ id, x, y, width, height, text }) => ({ id, x, y, width, height, text })),
  };
}

/** What is a layout in a value; the rest of it is left out. */
export function readLayout(value: Json | undefined): Layout {
  if (!isObject(value)) return EMPTY_LAYOUT;
  const places = value['nodes'] ?? value['positions'];
  const positions = isObject(places) ? places : {};
  const notes = isList(value['notes']) ? value['notes'] : [];
  return {
    positions: Object.fromEntries(Object.entries(positions).flatMap(([id, at]) => (isPoint(at) ? [[id, { x: at.x, y: at.y }] as const] : []))),
    notes: notes.flatMap((note) => (isNote(note) ? [note] : [])),
  };
}

function isPoint(value: Json | undefined): value is Json & Point {
  return isObject(value) && typeof value['x'] === 'number' && typeof value['y'] === 'number';
}

function isNote(value: Json): value is Json & Note {
  return isPoint(value) && isObject(value) && typeof value['id'] === 'string' && typeof value['text'] === 'string' && typeof value['width'] === 'number' && typeof value['height'] === 'number';
}
