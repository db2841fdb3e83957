import type { ReactNode } from 'react';
import { useWords } from '../i18n';
import { explain } from '../rpc/failure';
import { Button } from './Button';
import { Notice } from './Notice';

interface Props<T> {
  query: { readonly data: T | undefined; readonly error: Error | null; readonly refetch: () => unknown };
  children: (data: T) => ReactNode;
}

/** What was asked for, or that it is on its way, or why it did not come. */
export function Loaded<T>({ query: { data, error, refetch }, children }: Props<T>) {
  const { t } = useWords();
  if (data !== undefined) return children(data);
  if (!error) return <p className="muted loading">{t.app.loading}</p>;
  return (
    <Notice tone="error">
      {explain(error, t).text}{' '}
      <Button small onClick={() => void refetch()}>
        {t.app.retry}
      </Button>
    </Notice>
  );
}
