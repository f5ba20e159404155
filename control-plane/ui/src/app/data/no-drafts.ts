import { Injectable } from '@angular/core';

import type { LocalDraft, LocalDrafts } from './local-drafts';

/** Keeps nothing: for documents that are only shown. */
@Injectable()
export class NoDrafts implements Pick<LocalDrafts, 'read' | 'write' | 'remove'> {
  read(): LocalDraft | null {
    return null;
  }

  write(): boolean {
    return true;
  }

  remove(): void {
    // There is nothing.
  }
}
