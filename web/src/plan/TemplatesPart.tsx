import { useCallback } from 'react';
import { Link, useLocation } from 'wouter';
import { type PartProps, Sheet } from '../admin/Sheet';
import type { TaskTemplate } from '../gen/gad/v1/template_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useLive } from '../live/LiveProvider';
import { CALL, newRequestId } from '../rpc/clients';
import { templates } from '../rpc/lateClients';
import { useCall } from '../rpc/useCall';
import { usePages } from '../rpc/usePages';
import { pathId } from '../task/useTask';
import { Badge } from '../ui/Badge';
import { Button } from '../ui/Button';
import { Loaded } from '../ui/Loaded';
import { More } from '../ui/More';
import { Notice } from '../ui/Notice';
import { Table } from '../ui/Table';
import { toast } from '../ui/toast';
import { useNarrow } from '../ui/useMedia';
import { rhythmOf } from './recurrence';
import { TemplatePanel } from './TemplatePanel';
import { words } from './words';

const BASE = '/admin/templates';

/** Tasks that are made again and again, by hand or by the calendar. */
export default function TemplatesPart({ nav, openId }: PartProps) {
  const w = usePart(words);
  const [, go] = useLocation();
  const close = useCallback(() => go(BASE), [go]);
  const covered = useNarrow();
  const list = usePages(['templates'], async (page, signal) => {
    const answer = await templates.listTemplates({ ...page, pageSize: 200 }, { ...CALL, signal });
    return { rows: answer.templates, nextPageToken: answer.nextPageToken };
  });
  const open = list.data?.find((template) => template.id === pathId(openId));
  return (
    <div className="with-drawer">
      <Sheet nav={nav} title={w.title} inert={covered && openId !== undefined}>
        <p className="muted">{w.text}</p>
        <div className="line">
          <Button look="primary" onClick={() => go(`${BASE}/new`)}>
            {w.create}
          </Button>
        </div>
        <Loaded query={list}>
          {(rows) => (rows.length === 0 ? <p className="muted">{w.none}</p> : <TemplateTable templates={rows} />)}
        </Loaded>
        <More list={list} />
      </Sheet>
      {(openId === 'new' || open) && (
        <TemplatePanel
          key={`${openId}-${open?.etag}`}
          template={open}
          onClose={close}
          onDone={() => (close(), list.refetch())}
        />
      )}
    </div>
  );
}

function TemplateTable({ templates: rows }: { templates: readonly TaskTemplate[] }) {
  const { t, format } = useWords();
  const w = usePart(words);
  return (
    <div className="scroll">
      <Table
        cards
        caption={w.title}
        head={[w.name, t.task.kind, w.every, w.next, '']}
        rows={rows.map((template) => ({
          key: String(template.id),
          cells: [
            <Link key="name" className="row-link" href={`${BASE}/${template.id}`}>
              {template.displayName}
            </Link>,
            t.kinds[template.kind],
            template.recurrence ? w.rhythm(rhythmOf(template.recurrence.rule)) : w.byHand,
            template.paused ? <Badge tone="plain">{w.isPaused}</Badge> : template.nextTime && format.moment(template.nextTime),
            <Make key="make" template={template} />,
          ],
        }))}
      />
    </div>
  );
}

/** A task of it, now. */
function Make({ template }: { template: TaskTemplate }) {
  const w = usePart(words);
  const { store } = useLive();
  const make = useCall(
    () => templates.instantiateTemplate({ id: template.id, requestId: newRequestId() }, CALL),
    (task) => {
      store.merge([task]);
      toast(w.made(task.code));
    },
  );
  return (
    <>
      <Button small busy={make.busy} aria-label={w.makeOf(template.displayName)} onClick={() => make.run(undefined)}>
        {w.make}
      </Button>
      {make.failure && <Notice tone="error">{make.failure.text}</Notice>}
    </>
  );
}
