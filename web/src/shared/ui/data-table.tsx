import type { ReactNode } from 'react';
import classes from './data-table.module.css';

export interface Column<Row> {
  readonly key: string;
  readonly label: string;
  readonly cell: (row: Row) => ReactNode;
  /** Figures stand at the right, below each other. */
  readonly isFigure?: boolean;
  /** For buttons, whose column needs no words over it. */
  readonly isActions?: boolean;
}

interface DataTableProps<Row> {
  readonly caption: string;
  /** The first one says what a row is about. */
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  /** What is over and done with steps back. */
  readonly isOver?: (row: Row) => boolean;
}

function kindOf<Row>(column: Column<Row>): string | undefined {
  if (column.isActions) return classes['actions'];
  return column.isFigure ? classes['figure'] : undefined;
}

/** Rows under headings; on a phone each row becomes a card, with the heading before each value. */
export function DataTable<Row>({ caption, columns, rows, rowKey, isOver }: DataTableProps<Row>) {
  return (
    <table className={classes['table']}>
      <caption className="visually-hidden">{caption}</caption>
      <thead>
        <tr>
          {columns.map((column) => (
            <th key={column.key} scope="col" className={kindOf(column)}>
              {column.isActions ? <span className="visually-hidden">{column.label}</span> : column.label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={rowKey(row)} data-over={isOver?.(row) || undefined}>
            {columns.map((column, index) =>
              index === 0 ? (
                <th key={column.key} scope="row">
                  {column.cell(row)}
                </th>
              ) : (
                <td key={column.key} className={kindOf(column)} data-label={column.label}>
                  {column.cell(row)}
                </td>
              ),
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
