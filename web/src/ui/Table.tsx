import type { ReactNode } from 'react';

interface Props {
  /** What the table shows, for screen readers. */
  caption: string;
  head: readonly string[];
  rows: readonly { key: string; cells: readonly ReactNode[] }[];
  /** On a phone each row becomes a card. */
  cards?: boolean;
  look?: string;
}

export function Table({ caption, head, rows, cards = false, look = '' }: Props) {
  return (
    <table className={`table ${cards ? 'cards-when-narrow' : ''} ${look}`}>
      <caption className="only-heard">{caption}</caption>
      <thead>
        <tr>
          {head.map((title) => (
            <th key={title || 'actions'} scope="col">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, cells }) => (
          <tr key={key}>
            {cells.map((cell, column) => (
              <td key={head[column] || column} data-head={head[column]}>
                {cell}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
