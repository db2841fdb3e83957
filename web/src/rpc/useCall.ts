import { useMutation } from '@tanstack/react-query';
import { useWords } from '../i18n';
import { explain, type Failure } from './failure';

const NO_FIELDS: ReadonlyMap<string, string> = new Map();

export interface Call<In> {
  readonly run: (input: In) => void;
  readonly busy: boolean;
  readonly failure: Failure | null;
  /** What is wrong, by field. */
  readonly fields: ReadonlyMap<string, string>;
  readonly reset: () => void;
}

/**
 * A call that a person makes by a button, and what became of it. `proof` is the field that a wrong password or code
 * was typed into: the server does not say which of its fields that is.
 */
export function useCall<In, Out>(
  call: (input: In) => Promise<Out>,
  onDone?: (answer: Out, input: In) => unknown,
  proof?: string,
): Call<In> {
  const { t } = useWords();
  const { mutate, isPending, error, reset } = useMutation({
    mutationFn: call,
    onSuccess: async (answer: Out, input: In) => void (await onDone?.(answer, input)),
  });
  const failure = error && withProof(explain(error, t), proof);
  return { run: mutate, busy: isPending, failure, fields: failure?.fields ?? NO_FIELDS, reset };
}

function withProof(failure: Failure, proof: string | undefined): Failure {
  if (proof === undefined || failure.reason !== 'WRONG_PROOF') return failure;
  return { ...failure, fields: new Map([[proof, failure.text]]) };
}
