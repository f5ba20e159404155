import { Injectable, signal } from '@angular/core';

import type { CatalogueEntry, Operation } from '../domain/ports/interface';

/** The connectors that can be called. Empty until a control plane says which there are. */
@Injectable({ providedIn: 'root' })
export class Catalogue {
  private readonly known = signal<readonly CatalogueEntry[]>([]);
  readonly entries = this.known.asReadonly();

  /** The operation of this name, `publisher:name/operation`. */
  operation(target: string): Operation | null {
    const [name = '', operation = ''] = target.split('/', 2);
    return this.known().find((entry) => entry.name === name)?.interface.operations.find((candidate) => candidate.name === operation) ?? null;
  }
}
