import { computed, Injectable, signal } from '@angular/core';

/** Something a person can do now. */
export interface Command {
  readonly id: string;
  readonly title: string;
  readonly icon: string;
  readonly group: string;
  /** What stands beside the title. */
  readonly hint?: string;
  /** Its keys, as people read them: `Ctrl Z`. */
  readonly keys?: string;
  /** Why it cannot be done now; it is shown then and does nothing. */
  readonly disabled?: string;
  readonly run: () => void;
}

/** Every action that is there now, from each view that is open. The palette finds all of them. */
@Injectable({ providedIn: 'root' })
export class Commands {
  private readonly sources = signal<ReadonlyMap<string, () => readonly Command[]>>(new Map());
  readonly all = computed(() => [...this.sources().values()].flatMap((source) => source()));

  /** Adds the actions of a view; the function that is returned takes them away. */
  provide(name: string, commands: () => readonly Command[]): () => void {
    this.sources.update((sources) => new Map(sources).set(name, commands));
    return () => {
      this.sources.update((sources) => {
        const next = new Map(sources);
        next.delete(name);
        return next;
      });
    };
  }
}

/** The commands that fit what was typed, by group: every word must be in the title, the hint or the group. */
export function matchingCommands(commands: readonly Command[], query: string): { title: string; commands: readonly Command[] }[] {
  const words = query.trim().toLowerCase().split(/\s+/).filter((word) => word !== '' && word !== '>');
  const groups = new Map<string, Command[]>();
  // What cannot be done now stands behind what can.
  const ordered = [...commands].sort((a, b) => Number(a.disabled !== undefined) - Number(b.disabled !== undefined));
  for (const command of ordered) {
    const text = `${command.title} ${command.hint ?? ''} ${command.group}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) continue;
    const list = groups.get(command.group);
    if (list) list.push(command);
    else groups.set(command.group, [command]);
  }
  return [...groups].map(([title, list]) => ({ title, commands: list }));
}
