export function ComputerPage() {
  return null;
}
