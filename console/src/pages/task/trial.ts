import { parseTags } from "../../api/fleet";
import type { components } from "../../generated/api";

export type Trial = components["schemas"]["TaskTrial"];
type Facts = components["schemas"]["TaskFacts"];

/** What is typed of a computer that is not there, or of what would be different. */
export interface TypedFacts {
  hostName: string;
  platform: string;
  addresses: string;
  sourceAddress: string;
  tags: string;
  groupId: string;
  tokenId: string;
  provider: string;
  account: string;
  region: string;
  name: string;
  scaleSet: string;
  image: string;
  cloudTags: string;
}

export const NO_FACTS: TypedFacts = {
  hostName: "",
  platform: "",
  addresses: "",
  sourceAddress: "",
  tags: "",
  groupId: "",
  tokenId: "",
  provider: "",
  account: "",
  region: "",
  name: "",
  scaleSet: "",
  image: "",
  cloudTags: "",
};

const CLOUD = ["provider", "account", "region", "name", "scaleSet", "image"] as const;

/** The facts as the API takes them: what is empty is not said. */
export function factsOf(typed: TypedFacts): Facts {
  const text = (key: keyof TypedFacts) => (typed[key].trim() === "" ? undefined : typed[key].trim());
  const facts: Facts = {};
  for (const key of ["hostName", "platform", "sourceAddress", "groupId", "tokenId"] as const) {
    const said = text(key);
    if (said !== undefined) facts[key] = said;
  }
  if (text("tags")) facts.tags = parseTags(typed.tags);
  const addresses = typed.addresses.split(/[\s,]+/).filter((one) => one !== "");
  if (addresses.length > 0) facts.addresses = addresses;
  const cloud: Record<string, unknown> = {};
  for (const key of CLOUD) {
    const said = text(key);
    if (said !== undefined) cloud[key] = said;
  }
  if (text("cloudTags")) cloud.tags = parseTags(typed.cloudTags);
  if (Object.keys(cloud).length > 0) facts.cloud = cloud as Facts["cloud"];
  return facts;
}
