import "@patternfly/react-core/dist/styles/base.css";
import "./app.css";
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ProblemError, setOnUnauthorized } from "./api/client";
import { sessionQuery } from "./api/queries";
import { startI18n } from "./i18n";
import { makeRouter } from "./router";
import { adoptSession } from "./session";
import { startTheme } from "./theme";

startTheme();
startI18n();

const client = new QueryClient({
  queryCache: new QueryCache(),
  mutationCache: new MutationCache(),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // A refusal stays a refusal; only a manager that cannot be reached is asked again.
      retry: (failures, error) => !(error instanceof ProblemError) && failures < 2,
    },
  },
});
const router = makeRouter(client);

setOnUnauthorized(() => {
  adoptSession(null);
  client.setQueryData(sessionQuery.queryKey, null);
  void router.invalidate();
});

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
