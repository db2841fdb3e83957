import { type FormEvent, type ReactNode, useEffect, useRef } from 'react';
import type { Failure } from '../rpc/failure';
import { Notice } from './Notice';

interface Props {
  failure: Failure | null;
  onSubmit: () => void;
  label?: string;
  className?: string;
  children: ReactNode;
}

/** A form that says above its fields why it was refused, and brings the person to the first field that is wrong. */
export function Form({ failure, onSubmit, label, className = '', children }: Props) {
  const form = useRef<HTMLFormElement>(null);

  useEffect(() => {
    if (failure) form.current?.querySelector<HTMLElement>('[aria-invalid]')?.focus();
    // A failure is made anew with every drawing; the same words need no second look.
  }, [failure?.text, failure?.reason]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSubmit();
  };
  return (
    <form className={`form ${className}`} ref={form} onSubmit={submit} noValidate aria-label={label}>
      {failure && !isSaidBelow(failure) && <Notice tone="error">{failure.text}</Notice>}
      {children}
    </form>
  );
}

/** The same words stand at a field. */
function isSaidBelow({ text, fields }: Failure): boolean {
  return [...fields.values()].includes(text);
}
