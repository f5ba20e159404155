import { computed, effect, inject, Injectable, signal, untracked } from '@angular/core';

import { Api, words } from '../data/api/api';
import { WorkflowText } from '../data/api/operations';
import { EditorStore } from '../state/editor-store';
import { Messages } from '../state/messages';

/** The workflow of the control plane that has the name of the document. */
@Injectable()
export class PublishedWorkflows {
  private readonly api = inject(Api);
  private readonly store = inject(EditorStore);
  private readonly messages = inject(Messages);
  private readonly found = signal<{ readonly name: string; readonly version: number; readonly text: string } | null>(null);
  /** The newest version, if the document is that text. */
  readonly same = computed(() => {
    const found = this.found();
    return found !== null && found.text === this.store.text() ? found.version : null;
  });

  constructor() {
    const name = computed(() => this.store.graph().name);
    effect(() => {
      const wanted = name();
      untracked(() => { if (wanted !== '' && this.found()?.name !== wanted) void this.look(wanted); });
    });
  }

  /** Opens the newest version. The document that was open can be taken back. */
  async open(name: string): Promise<void> {
    try {
      const found = await this.read(name);
      if (found === null) {
        this.messages.refused(`There is no workflow ${name}, or its text was not published with it.`);
        return;
      }
      this.found.set(found);
      const before = this.store.document();
      if (before?.text === found.text) return;
      this.store.open(found.text);
      if (before && before.text.trim() !== '') this.messages.done(`${name} was opened in the place of your draft.`, { label: 'Take the draft back', run: () => { this.store.open(before.text, before.layout); } });
    } catch (error) {
      this.messages.refused(words(error));
    }
  }

  private async look(name: string): Promise<void> {
    try {
      this.found.set(await this.read(name));
    } catch {
      this.found.set(null);
    }
  }

  private async read(name: string): Promise<{ name: string; version: number; text: string } | null> {
    const { workflow } = await this.api.ask(WorkflowText, { name });
    const text = workflow?.versions.find((version) => version.version === workflow.version)?.source;
    return workflow && text !== null && text !== undefined ? { name, version: workflow.version, text } : null;
  }
}
