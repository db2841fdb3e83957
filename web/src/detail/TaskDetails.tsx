import type { Task } from '../gen/gad/v1/task_pb';
import { Attachments } from './Attachments';
import { CheckIns } from './CheckIns';
import { Checklist } from './Checklist';
import { Comments } from './Comments';
import { Dependencies } from './Dependencies';
import './detail.css';

/** What belongs to a task, beside its own fields. */
export default function TaskDetails({ task, base }: { task: Task; base: string }) {
  return (
    <>
      <CheckIns task={task} />
      <Checklist task={task} />
      <Attachments task={task} />
      <Dependencies task={task} base={base} />
      <Comments task={task} />
    </>
  );
}
