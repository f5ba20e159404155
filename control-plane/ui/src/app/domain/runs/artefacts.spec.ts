import { describe, expect, it } from 'vitest';

import { artefactsIn, LOOK_MAX, lookOf, readCsv } from './artefacts';

const FILE = { digest: 'sha256:ab', name: 'report.csv', media_type: 'text/csv', size: 12 };

describe('files in values', () => {
  it('are found where they stand, and nothing else is taken for one', () => {
    expect(artefactsIn({ rows: [{ report: FILE }], digest: 'x', name: 'y' })).toEqual([{ path: 'rows[0].report', digest: 'sha256:ab', name: 'report.csv', mediaType: 'text/csv', size: 12 }]);
    expect(artefactsIn(undefined)).toEqual([]);
  });

  it('are looked at by their type and size, and never as something that can run', () => {
    const look = (mediaType: string, size = 1): string => lookOf({ path: '', digest: '', name: '', mediaType, size });
    expect([look('image/png'), look('text/csv; charset=utf-8'), look('text/plain'), look('application/json')]).toEqual(['image', 'table', 'text', 'text']);
    expect([look('image/svg+xml'), look('application/pdf'), look('image/png', LOOK_MAX + 1)]).toEqual(['none', 'none', 'none']);
  });
});

describe('CSV', () => {
  it('keeps separators, quotes and line breaks inside quotes', () => {
    expect(readCsv('a,b\r\n"1,5","say ""hi""\nthere"\n3,\n')).toEqual({ head: ['a', 'b'], rows: [['1,5', 'say "hi"\nthere'], ['3', '']], cut: false });
  });

  it('is cut after so many rows, and says so', () => {
    const found = readCsv(`n\n${Array.from({ length: 500 }, (_, index) => String(index)).join('\n')}`);
    expect(found.rows.length).toBe(200);
    expect(found.cut).toBe(true);
  });
});
