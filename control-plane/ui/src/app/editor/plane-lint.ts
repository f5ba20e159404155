import { DestroyRef, effect, inject, Injectable, signal } from '@angular/core';

import { Api } from '../data/api/api';
import { CheckWorkflow, type CheckWorkflowData } from '../data/api/operations';
import type { Problem } from '../domain/workflow/problems';
import { offsetOf } from '../domain/text/lines';
import { EditorStore } from '../state/editor-store';

type Finding = CheckWorkflowData['checkWorkflow']['diagnostics'][number];

const AFTER_MS = 500;

/** What the engine's own lint says of the text, a moment after it was last changed. */
@Injectable()
export class PlaneLint {
  private readonly api = inject(Api);
  private readonly store = inject(EditorStore);
  private readonly found = signal<{ readonly text: string; readonly problems: readonly Problem[] } | null>(null);
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    effect(() => {
      const text = this.store.text();
      clearTimeout(this.timer);
      if (text.trim() !== '') this.timer = setTimeout(() => void this.check(text), AFTER_MS);
    });
    // What it found stands in for what was found while typing, as long as the text is the one that it looked at.
    effect(() => {
      const found = this.found();
      this.store.judged(found);
    });
    inject(DestroyRef).onDestroy(() => { clearTimeout(this.timer); });
  }

  private async check(text: string): Promise<void> {
    try {
      const { checkWorkflow } = await this.api.ask(CheckWorkflow, { input: { source: text } });
      if (text === this.store.text()) this.found.set({ text, problems: checkWorkflow.diagnostics.map((finding) => this.problem(text, finding)) });
    } catch {
      // Without a control plane the problems are those that the file alone shows.
      this.found.set(null);
    }
  }

  private problem(text: string, finding: Finding): Problem {
    const from = offsetOf(text, finding.line, finding.column);
    const end = text.indexOf('\n', from);
    const to = Math.max(from + 1, end < 0 ? text.length : end);
    const node = this.store.graph().nodes.filter((candidate) => from >= candidate.keyFrom && from <= candidate.to).at(-1);
    return { code: finding.code, message: finding.message, from, to: Math.min(to, text.length), node: node?.id ?? null, property: '', warning: finding.severity === 'WARNING', ...(finding.fix === null ? {} : { mend: finding.fix }) };
  }
}
