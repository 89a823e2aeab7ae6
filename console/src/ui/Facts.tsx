import {
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
} from "@patternfly/react-core";
import type { ReactNode } from "react";

/** Names and values, one above the other where there is little room. */
export function Facts({ children, compact = true }: { children: ReactNode; compact?: boolean }) {
  return (
    <DescriptionList isCompact={compact} isHorizontal horizontalTermWidthModifier={{ default: "14ch" }}>
      {children}
    </DescriptionList>
  );
}

/** A name and its value. */
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <DescriptionListGroup>
      <DescriptionListTerm>{name}</DescriptionListTerm>
      <DescriptionListDescription className="skm-break">{children}</DescriptionListDescription>
    </DescriptionListGroup>
  );
}
