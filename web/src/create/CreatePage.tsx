import { type FormEvent, useEffect, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { TaskKind } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { explain } from '../rpc/failure';
import { PRIORITIES } from '../task/looks';
import { Button } from '../ui/Button';
import { Field, TextArea } from '../ui/Field';
import { Notice } from '../ui/Notice';
import { Select } from '../ui/Select';
import { toast } from '../ui/toast';
import { type Draft, EMPTY_DRAFT, placeOf, taskOf, unsendable } from './draft';
import { LocationPicker } from './LocationPicker';
import { useCreateTask } from './useCreateTask';
import './create.css';

const KINDS = Object.values(TaskKind).filter((kind) => typeof kind === 'number' && kind !== TaskKind.UNSPECIFIED) as TaskKind[];
const NO_ERRORS: ReadonlyMap<string, string> = new Map();

export default function CreatePage() {
  const { t } = useWords();
  const [, go] = useLocation();
  const [draft, setDraft] = useState(EMPTY_DRAFT);
  const [refused, setRefused] = useState(NO_ERRORS);
  const form = useRef<HTMLFormElement>(null);
  const creation = useCreateTask((task) => {
    toast(t.create.done(task.code));
    go(`/board/${task.id}`);
  });
  const failure = creation.error && explain(creation.error, t);
  const errors = refused.size > 0 ? refused : (failure?.fields ?? NO_ERRORS);

  useEffect(() => {
    form.current?.querySelector<HTMLElement>('[aria-invalid]')?.focus();
  }, [creation.error, refused]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const wrong = unsendable(draft, t);
    setRefused(wrong);
    if (wrong.size === 0) creation.mutate(taskOf(draft));
  };
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const props = { draft, errors, change };
  return (
    <div className="page">
      <form className="create" ref={form} onSubmit={submit} noValidate aria-labelledby="create-title">
        <h1 id="create-title">{t.create.title}</h1>
        {failure && refused.size === 0 && <Notice tone="error">{failure.text}</Notice>}
        <div className="create-parts">
          <What {...props} />
          <Where {...props} />
        </div>
        <div className="create-end">
          <Button look="primary" type="submit" busy={creation.isPending}>
            {t.create.submit}
          </Button>
        </div>
      </form>
    </div>
  );
}

interface PartProps {
  draft: Draft;
  errors: ReadonlyMap<string, string>;
  change: (part: Partial<Draft>) => void;
}

function What({ draft, errors, change }: PartProps) {
  const { t } = useWords();
  return (
    <div className="create-part">
      <Field
        label={t.create.name}
        value={draft.title}
        maxLength={200}
        autoFocus
        error={errors.get('title')}
        onChange={(event) => change({ title: event.target.value })}
      />
      <div className="pair">
        <Select<TaskKind>
          label={t.create.kind}
          value={draft.kind}
          options={[[TaskKind.UNSPECIFIED, t.create.chooseKind], ...KINDS.map((kind) => [kind, t.kinds[kind]] as const)]}
          error={errors.get('kind')}
          onChange={(kind) => change({ kind })}
        />
        <Select
          label={t.create.priority}
          value={draft.priority}
          options={PRIORITIES.map((priority) => [priority, t.priorities[priority]] as const)}
          error={errors.get('priority')}
          onChange={(priority) => change({ priority })}
        />
      </div>
      <div className="pair pair-wide">
        <Field
          label={t.create.plannedStart}
          hint={t.create.plannedStartHint}
          type="datetime-local"
          value={draft.plannedStart}
          error={errors.get('planned_start_time')}
          onChange={(event) => change({ plannedStart: event.target.value })}
        />
        <Field
          label={t.create.plannedEnd}
          type="datetime-local"
          value={draft.plannedEnd}
          error={errors.get('planned_end_time')}
          onChange={(event) => change({ plannedEnd: event.target.value })}
        />
      </div>
      <TextArea
        label={t.create.description}
        rows={6}
        value={draft.description}
        error={errors.get('description')}
        onChange={(event) => change({ description: event.target.value })}
      />
    </div>
  );
}

function Where({ draft, errors, change }: PartProps) {
  const { t } = useWords();
  const place = (latitude: string, longitude: string) => change({ latitude, longitude });
  const wrong = errors.get('location');
  return (
    <fieldset className="create-part create-where">
      <legend>{t.create.location}</legend>
      <p className="field-hint">{t.create.locationHint}</p>
      <LocationPicker value={placeOf(draft)} onPick={([lat, lng]) => place(String(lat), String(lng))} />
      <div className="pair">
        <Field
          label={t.create.latitude}
          inputMode="decimal"
          value={draft.latitude}
          error={wrong}
          onChange={(event) => place(event.target.value, draft.longitude)}
        />
        <Field
          label={t.create.longitude}
          inputMode="decimal"
          value={draft.longitude}
          aria-invalid={wrong ? true : undefined}
          onChange={(event) => place(draft.latitude, event.target.value)}
        />
        <Button look="quiet" small onClick={() => place('', '')}>
          {t.create.clearLocation}
        </Button>
      </div>
      <Field
        label={t.create.locationText}
        value={draft.locationDescription}
        maxLength={200}
        error={errors.get('location_description')}
        onChange={(event) => change({ locationDescription: event.target.value })}
      />
    </fieldset>
  );
}
