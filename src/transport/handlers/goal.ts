// GoalService: reads goals.
import { GoalService } from "../../../gen/maestro/v1/goal_service_pb.ts";
import { goalToWire } from "../mapping/goal.ts";
import { idIn } from "../mapping/problems.ts";
import type { Route } from "../route.ts";
import { operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";

export function goalRoutes(kit: Kit): readonly Route[] {
  return [
    operationRoute(kit, GoalService.method.getGoal, {
      operation: kit.operations.goalGet,
      request: ({ goalId }, problems) => ({ goalId: idIn(problems, "goal_id", "goal", goalId) }),
      answer: (goal) => ({ goal: goalToWire(goal) }),
    }),
  ];
}
