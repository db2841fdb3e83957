import { type Task, TaskAction } from '../gen/gad/v1/task_pb';

/** Who may put agents on an open task directs it: they also make its checklist, say what it waits for, and take files away. */
export function directs(task: Task): boolean {
  return task.allowedActions.includes(TaskAction.ASSIGN);
}
