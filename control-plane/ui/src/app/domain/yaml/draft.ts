/**
 * Several edits of one text, each seeing what the ones before it did.
 *
 * Owns the way from "this value at this path" to single edits: what is equal already stays untouched, mappings and lists
 * are changed member by member. Invariant: after each edit the text is YAML if it was before, else the edit is refused.
 */
import { equal, isList, isObject, type Json, type Path, valueAt } from '../json';
import { applyChange, type Change, ordered, type Patch } from '../text/patch';
import { appendItem, EditRefused, insertEntry, removeAt, renameKey, replaceAt, type Where } from './edit';
import { nodeAt, readYaml, toJson, type YamlSource } from './tree';

export class TextDraft {
  private readonly made: Change[] = [];

  constructor(private current: YamlSource) {}

  /** The text as the edits have left it. */
  get source(): YamlSource {
    return this.current;
  }

  /** The changes so far, each of the text that the one before it left. */
  get changes(): readonly Change[] {
    return this.made;
  }

  /** Makes a change; refuses one that would break the text. */
  patch(patches: readonly Patch[]): void {
    if (patches.length === 0) return;
    const change = ordered(patches);
    const next = readYaml(applyChange(this.current.text, change));
    if (next.mistakes.length > this.current.mistakes.length) {
      throw new EditRefused(`the text would not be YAML any more: ${next.mistakes[0]?.message ?? ''}`);
    }
    this.current = next;
    this.made.push(change);
  }

  /** Puts a value at a path; what is missing on the way there is made. */
  set(path: Path, value: Json, where: Where = 'last'): void {
    let known = path.length;
    while (known > 0 && !nodeAt(this.current.root, path.slice(0, known))) known -= 1;
    if (known === path.length && path.length > 0) {
      this.assign(path, value);
      return;
    }
    const at = path.slice(0, known);
    const [step, ...rest] = path.slice(known);
    const node = nodeAt(this.current.root, at);
    const inner = nested(rest, value);
    if (typeof step === 'number') {
      if (node?.kind === 'list' && step === node.items.length) this.patch(appendItem(this.current, at, inner));
      else if (node?.kind === 'list') throw new EditRefused('the list has a gap there');
      else this.patch(replaceAt(this.current, at, [inner]));
    } else if (step !== undefined) {
      const holds = node === null || node.kind === 'map' || (node.kind === 'scalar' && node.value === null);
      if (holds) this.patch(insertEntry(this.current, at, step, inner, where));
      else this.patch(replaceAt(this.current, at, { [step]: inner }));
    }
  }

  /** Takes the value at a path away, and the collections that become empty, down to a depth of `keep` steps. */
  unset(path: Path, keep = 1): void {
    let last = path;
    if (!nodeAt(this.current.root, last)) return;
    while (last.length - 1 > keep) {
      const parent = nodeAt(this.current.root, last.slice(0, -1));
      const count = parent?.kind === 'map' ? parent.entries.length : parent?.kind === 'list' ? parent.items.length : 0;
      if (count !== 1) break;
      last = last.slice(0, -1);
    }
    this.patch(removeAt(this.current, last));
  }

  /** Puts lines as entries into the mapping at a path; `value` is what they say. */
  insertLines(path: Path, key: string, value: Json, lines: readonly string[]): void {
    this.patch(insertEntry(this.current, path, key, value, 'last', lines));
  }

  /** Gives the entry at a path another key. */
  rename(path: Path, key: string): void {
    this.patch(renameKey(this.current, path, key));
  }

  private assign(path: Path, value: Json): void {
    const node = nodeAt(this.current.root, path);
    const before = node ? toJson(node) : undefined;
    if (node === null || before === undefined || equal(before, value)) return;
    if (isObject(before) && isObject(value) && shares(before, value)) {
      for (const key of Object.keys(before)) {
        if (!Object.hasOwn(value, key)) this.patch(removeAt(this.current, [...path, key]));
      }
      for (const [key, field] of Object.entries(value)) this.set([...path, key], field);
    } else if (isList(before) && isList(value) && before.length > 0 && value.length > 0) {
      for (let index = before.length - 1; index >= value.length; index -= 1) {
        this.patch(removeAt(this.current, [...path, index]));
      }
      value.forEach((item, index) => {
        this.set([...path, index], item);
      });
    } else {
      this.patch(replaceAt(this.current, path, value));
    }
  }
}

function shares(before: Json, value: Json): boolean {
  return isObject(before) && isObject(value) && Object.keys(value).some((key) => Object.hasOwn(before, key));
}

function nested(path: Path, value: Json): Json {
  return path.reduceRight<Json>((inner, step) => (typeof step === 'number' ? [inner] : { [step]: inner }), value);
}

/** What a text says at a path. */
export function jsonAt(source: YamlSource, path: Path): Json | undefined {
  return valueAt(toJson(source.root), path);
}
