import type L from 'leaflet';
import { useState } from 'react';
import { LocationPicker } from '../create/LocationPicker';
import { TaskKind, TaskPriority } from '../gen/gad/v1/task_pb';
import type { TaskTemplate } from '../gen/gad/v1/template_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, newRequestId } from '../rpc/clients';
import { templates } from '../rpc/lateClients';
import { useCall } from '../rpc/useCall';
import { PRIORITIES } from '../task/looks';
import { Button } from '../ui/Button';
import { EditDrawer } from '../ui/EditDrawer';
import { Field, TextArea } from '../ui/Field';
import { Select } from '../ui/Select';
import { toast } from '../ui/toast';
import { type Draft, draftOf, templateOf } from './draft';
import { RecurrenceFields } from './RecurrenceFields';
import { words } from './words';
import './plan.css';

const KINDS = Object.values(TaskKind).filter((kind): kind is TaskKind => typeof kind === 'number' && kind > 0);

interface Props {
  template: TaskTemplate | undefined;
  onClose: () => void;
  onDone: () => unknown;
}

export function TemplatePanel({ template, onClose, onDone }: Props) {
  const { t } = useWords();
  const w = usePart(words);
  const [draft, setDraft] = useState<Draft>(() => draftOf(template, Date.now(), Intl.DateTimeFormat().resolvedOptions().timeZone));
  const save = useCall(
    () => {
      const sent = { template: templateOf(draft, template), requestId: newRequestId() };
      return template ? templates.updateTemplate(sent, CALL) : templates.createTemplate(sent, CALL);
    },
    () => {
      toast(t.app.saved);
      return onDone();
    },
  );
  const remove = useCall(
    () => templates.deleteTemplate({ id: template?.id ?? 0n, etag: template?.etag ?? '', requestId: newRequestId() }, CALL),
    onDone,
  );
  return (
    <EditDrawer thing={template} words={w} save={save} remove={remove} onClose={onClose}>
      <TaskFields draft={draft} errors={save.fields} onChange={setDraft} />
      <WorkFields draft={draft} errors={save.fields} onChange={setDraft} />
      <RecurrenceFields draft={draft} errors={save.fields} onChange={setDraft} />
      <PlaceFields draft={draft} onChange={setDraft} />
    </EditDrawer>
  );
}

export interface FieldsProps {
  draft: Draft;
  errors: ReadonlyMap<string, string>;
  onChange: (draft: Draft) => void;
}

function TaskFields({ draft, errors, onChange }: FieldsProps) {
  const { t } = useWords();
  const w = usePart(words);
  return (
    <>
      <Field
        label={w.name}
        maxLength={100}
        value={draft.displayName}
        error={errors.get('display_name')}
        onChange={({ target }) => onChange({ ...draft, displayName: target.value })}
      />
      <Field
        label={w.taskTitle}
        maxLength={200}
        value={draft.title}
        error={errors.get('title')}
        onChange={({ target }) => onChange({ ...draft, title: target.value })}
      />
      <div className="pair">
        <Select<TaskKind>
          label={t.task.kind}
          value={draft.kind}
          options={KINDS.map((kind) => [kind, t.kinds[kind]] as const)}
          error={errors.get('kind')}
          onChange={(kind) => onChange({ ...draft, kind })}
        />
        <Select<TaskPriority>
          label={t.task.priority}
          value={draft.priority}
          options={PRIORITIES.map((one) => [one, t.priorities[one]] as const)}
          onChange={(priority) => onChange({ ...draft, priority })}
        />
      </div>
      <TextArea
        label={t.task.description}
        rows={2}
        maxLength={10_000}
        value={draft.description}
        error={errors.get('description')}
        onChange={({ target }) => onChange({ ...draft, description: target.value })}
      />
    </>
  );
}

function WorkFields({ draft, errors, onChange }: FieldsProps) {
  const w = usePart(words);
  return (
    <>
      <TextArea
        label={w.checklist}
        hint={w.oneALine}
        rows={3}
        value={draft.checklist}
        error={errors.get('checklist')}
        onChange={({ target }) => onChange({ ...draft, checklist: target.value })}
      />
      <Field
        label={w.planned}
        hint={w.plannedHint}
        inputMode="numeric"
        value={draft.planned}
        error={errors.get('planned_duration')}
        onChange={({ target }) => onChange({ ...draft, planned: target.value })}
      />
    </>
  );
}

function PlaceFields({ draft, onChange }: Omit<FieldsProps, 'errors'>) {
  const { t } = useWords();
  return (
    <fieldset className="plan-place">
      <legend className="field-label">{t.create.location}</legend>
      <LocationPicker
        value={draft.place as L.LatLngTuple | null}
        onPick={(place) => onChange({ ...draft, place: [place[0], place[1]] })}
      />
      <Field
        label={t.create.locationText}
        maxLength={200}
        value={draft.locationDescription}
        onChange={({ target }) => onChange({ ...draft, locationDescription: target.value })}
      />
      {draft.place && (
        <Button small look="quiet" onClick={() => onChange({ ...draft, place: null })}>
          {t.create.clearLocation}
        </Button>
      )}
    </fieldset>
  );
}
