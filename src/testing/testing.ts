// `maestro/testing`: what a project uses to test its handlers and plans. README.md beside this file has it in examples. Not
// here: how any of it is done.
import "../executor/node-version.ts";

export { runHandler, startHandler } from "./handler.ts";
export type { HandlerCall, HandlerRun } from "./handler.ts";
export { outcomes, scripted } from "./outcome.ts";
export type { ErrorClassName, HandlerOutcome, HandlerResult, Scripted, Told } from "./outcome.ts";
export { aChain, aPlan, aRetry, aStep } from "./plan-fixture.ts";
export type {
  AmountsFixture,
  CharterFixture,
  GoalFixture,
  PlanFixture,
  RetryFixture,
  GateFixture,
  ReleaseFixture,
  StepFixture,
} from "./plan-fixture.ts";
export type { PlanView, StepView, TestPlan, Waiting } from "./plan.ts";
export { startTestServer } from "./server.ts";
export type { TestExecutorOptions, TestServer, TestServerOptions } from "./server.ts";
export type { Span } from "./span.ts";
