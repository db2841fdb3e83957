import type { Part } from '../i18n/part';

const es = {
  heat: 'Mapa de calor',
  heatHint: 'Dónde se concentran las tareas, de todos los estados.',
  heatCount: (count: number) => `${count} ${count === 1 ? 'tarea' : 'tareas'}`,
  clustered: 'Desde lejos se agrupa lo que está cerca: acérquese o pulse un grupo.',
  agents: (count: number) => `${count} agentes`,
  tasks: (count: number) => `${count} tareas`,
  emergencies: (count: number) => `${count} emergencias`,
  track: 'Recorrido',
  trackOf: (agent: string) => `Recorrido de ${agent}`,
  period: 'Periodo',
  hours: (hours: number) => (hours === 1 ? 'Última hora' : `Últimas ${hours} horas`),
  moment: 'Momento',
  play: 'Reproducir',
  stop: 'Detener',
  noFixes: 'No hay posiciones en este periodo.',
  fixes: (count: string) => `${count} posiciones`,
};

const en: typeof es = {
  heat: 'Heat map',
  heatHint: 'Where tasks gather, of all states.',
  heatCount: (count) => `${count} ${count === 1 ? 'task' : 'tasks'}`,
  clustered: 'From afar, what is near each other is one group: come closer, or press a group.',
  agents: (count) => `${count} agents`,
  tasks: (count) => `${count} tasks`,
  emergencies: (count) => `${count} emergencies`,
  track: 'Track',
  trackOf: (agent) => `Track of ${agent}`,
  period: 'Period',
  hours: (hours) => (hours === 1 ? 'Last hour' : `Last ${hours} hours`),
  moment: 'Moment',
  play: 'Play',
  stop: 'Stop',
  noFixes: 'There are no positions in this period.',
  fixes: (count) => `${count} positions`,
};

export const words: Part<typeof es> = { es, en };
