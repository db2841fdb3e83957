import { useState } from 'react';
import { ExportFormat } from '../gen/gad/v1/bulk_pb';
import { TaskPriority } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { bulk } from '../rpc/lateClients';
import { useCall } from '../rpc/useCall';
import { PRIORITIES, STATES } from '../task/looks';
import { Button } from '../ui/Button';
import { Check } from '../ui/Check';
import { Dialog } from '../ui/Dialog';
import { saveStream } from '../ui/file';
import { Form } from '../ui/Form';
import { Select } from '../ui/Select';
import { toast } from '../ui/toast';
import type { BoardFilter } from './filter';
import { words } from './words';

const FORMATS = [
  [ExportFormat.XLSX, 'Excel (XLSX)', 'xlsx'],
  [ExportFormat.CSV, 'CSV', 'csv'],
  [ExportFormat.JSONL, 'JSON Lines', 'jsonl'],
] as const;

/** The tasks of the filter as a file: all that there are, not only those on the screen. */
export default function ExportDialog({ filter, onClose }: { filter: BoardFilter; onClose: () => void }) {
  const { t: common } = useWords();
  const t = usePart(words);
  const [format, setFormat] = useState<ExportFormat>(ExportFormat.XLSX);
  const [openOnly, setOpenOnly] = useState(false);
  const download = useCall(
    () => {
      const ending = FORMATS.find(([one]) => one === format)?.[2] ?? 'jsonl';
      const day = new Date().toISOString().slice(0, 10);
      return saveStream(`gad-${t.fileName}-${day}.${ending}`, bulk.exportTasks({ format, filter: filterOf(filter, openOnly) }));
    },
    () => {
      toast(t.exported);
      onClose();
    },
  );
  return (
    <Dialog title={t.export} onClose={onClose}>
      <Form failure={download.failure} onSubmit={() => download.run(undefined)}>
        <p>{t.exportText}</p>
        <Select<ExportFormat>
          label={t.format}
          value={format}
          options={FORMATS.map(([one, name]) => [one, name] as const)}
          onChange={setFormat}
        />
        <Check label={t.openOnly} checked={openOnly} onChange={setOpenOnly} />
        <div className="form-end">
          <Button look="quiet" onClick={onClose}>
            {common.app.cancel}
          </Button>
          <Button look="primary" type="submit" busy={download.busy}>
            {common.app.download}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}

function filterOf({ text, priority }: BoardFilter, openOnly: boolean) {
  return {
    text: text.trim(),
    priorities: priority === TaskPriority.UNSPECIFIED ? [] : PRIORITIES.filter((one) => one >= priority),
    states: openOnly ? STATES.slice(0, 3) : [],
  };
}
