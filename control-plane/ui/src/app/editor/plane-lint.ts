import { DestroyRef, effect, inject, Injectable } from '@angular/core';

import { Api } from '../data/api/api';
import { CheckWorkflow } from '../data/api/operations';
import { EditorStore } from '../state/editor-store';
import { DraftKeeper } from './drafts/draft-keeper';
import { problemsFrom } from './findings';

const AFTER_MS = 500;

/** What the engine's own lint says of a text that is not saved as a draft: saving one says it too. */
@Injectable()
export class PlaneLint {
  private readonly api = inject(Api);
  private readonly store = inject(EditorStore);
  private readonly keeper = inject(DraftKeeper);
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    effect(() => {
      const text = this.store.text();
      const saves = this.keeper.saves();
      clearTimeout(this.timer);
      if (text.trim() !== '' && !saves) this.timer = setTimeout(() => void this.check(text), AFTER_MS);
    });
    inject(DestroyRef).onDestroy(() => { clearTimeout(this.timer); });
  }

  private async check(text: string): Promise<void> {
    if (this.store.verdict()?.text === text) return;
    try {
      const { checkWorkflow } = await this.api.ask(CheckWorkflow, { input: { source: text } });
      if (text === this.store.text()) this.store.judged({ text, problems: problemsFrom(text, this.store.graph(), checkWorkflow.diagnostics) });
    } catch {
      // Without a control plane the problems are those that the file alone shows.
      this.store.judged(null);
    }
  }
}
