// Written from fewact.page.facts by tests/page/test_facts.py.

export interface StepFacts {
  what: string;
  subject: string;
}

export interface ErrorFacts {
  key?: string;
  what?: string;
  got?: string;
  expected?: string;
  hint?: string;
}

export interface ClipFacts {
  name: string;
  label: string | null;
  seconds: number;
  frames: number;
  aspect: number;
  height: number;
  box: number[] | null;
  start: number | null;
  end: number | null;
  binned: boolean;
  source: string | null;
  model_label: string | null;
  in_model: boolean;
  recording: boolean;
  faults: string[];
}

export interface ModelFacts {
  id: string;
  classes: string[];
  clips: Record<string, number>;
  summary: string;
  details: string[];
  none: number;
}

export interface JobFacts {
  id: string;
  kind: string;
  subject: string;
  state: "waiting" | "running" | "done" | "failed" | "cancelled";
  done: number;
  total: number;
  error: ErrorFacts | null;
}

export interface EventFacts {
  label: string;
  start: number;
  end: number;
  confidence: number | null;
  repetitions: number;
  subject?: string;
  box?: number[] | null;
}

export interface SubjectFacts {
  subject: string;
  box: number[] | null;
  label: string;
  probability: number;
}

export interface ResultFacts {
  model: string;
  error?: ErrorFacts;
  faults?: string[];
  label?: string;
  probability?: number;
  probabilities?: Record<string, number>;
  nearest?: string | null;
  movers?: number;
  subjects?: SubjectFacts[];
  events?: EventFacts[];
  counts?: Record<string, number>;
  time?: number;
  ended?: boolean;
}

export interface PageFacts {
  version: number;
  name: string;
  classes: string[];
  clips: Record<string, ClipFacts>;
  changes: number;
  undo: StepFacts | null;
  model: ModelFacts | null;
  changed_by_command: number;
  advice: string[];
  jobs: JobFacts[];
  results: Record<string, ResultFacts>;
}

export interface LiveFacts {
  label: string | null;
  probabilities: Record<string, number>;
  events: EventFacts[];
  rate: number;
}
