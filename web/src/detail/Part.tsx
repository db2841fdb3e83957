import { type ReactNode, useId } from 'react';

interface Props {
  title: string;
  /** Said beside the title, such as `2 / 5`. */
  count?: ReactNode;
  children: ReactNode;
}

/** A part of a task's panel. */
export function Part({ title, count, children }: Props) {
  const id = useId();
  return (
    <section className="task-section detail-part" aria-labelledby={id}>
      <h3 id={id}>
        {title}
        {count !== undefined && <span className="muted detail-count"> {count}</span>}
      </h3>
      {children}
    </section>
  );
}
