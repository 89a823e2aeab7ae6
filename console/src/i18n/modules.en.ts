import { statefulEn } from "./firewallStateful";

/** Texts about modules: their settings and choices, their states, reasons and numbers. */
export const modulesEn = {
  module: {
    firewall: "Firewall",
    "intrusion-prevention": "Intrusion prevention",
    "web-application-firewall": "Web application firewall",
    "anti-malware": "Anti-malware",
    "integrity-monitoring": "Integrity monitoring",
    "log-inspection": "Log inspection",
    "web-reputation": "Web reputation",
    "network-engine": "Network engine",
    recommendation: "Recommendation scan",
    agent: "Agent",
    manager: "Manager",
  },
  moduleHint: {
    firewall:
      "Which connections may be opened at all. Established connections, loopback and the agent's way to its manager are always open.",
    "intrusion-prevention": "Signatures over network traffic, among them virtual patches.",
    "web-application-firewall":
      "Rules of the OWASP Core Rule Set over HTTP requests. It looks at the HTTP ports of intrusion prevention, whatever that module's mode is.",
    "anti-malware": "Files are scanned when they are written or opened, by schedule or by hand.",
    "integrity-monitoring":
      "Tells when files change that should not. A change is never undone: Prevent does the same as Detect.",
    "log-inspection":
      "Reads the computer's logs for signs of attacks. A log line is never stopped: Prevent does the same as Detect.",
    "web-reputation": "The computer does not talk to sites that are known to be bad.",
    "network-engine":
      "What the firewall, intrusion prevention, the web application firewall and web reputation share.",
    recommendation:
      "Looks at what is installed and says which rules the computer needs. It stops nothing: Prevent does the same as Detect.",
    agent: "The program on the computer that does all of this.",
  },
  setting: {
    firewall: {
      mode: "Mode",
      defaultInbound: "Inbound traffic that no rule names",
      defaultOutbound: "Outbound traffic that no rule names",
      alwaysAllowManager: "The way to the manager is open whatever the rules say",
      confirmWithinSecs: "Seconds in which the manager has to be reached after a change",
      operatorConfirms: "An operator has to confirm each change",
      operatorWithinSecs: "Seconds that the operator has for it",
      reconnaissance: "Who looks for ways in",
      reconnaissanceTargets: "Places that make a scan",
      reconnaissanceWithinSecs: "Seconds in which they make one",
      reconnaissanceExcept: "Sources that are not looked at",
      reconnaissanceOnly: "Own addresses at which it is looked for",
      rules: "Firewall rules",
      stateful: statefulEn.title,
    },
    "intrusion-prevention": {
      mode: "Mode",
      failureResponse: "If inspection is not possible",
      httpPorts: "HTTP ports",
      answerPage: "Answer a blocked HTTP request with a page that carries the incident id",
      defaultRuleMode: "Mode of the other rules",
      assignAll: "Assign every rule",
      assignRecommended: "Assign and unassign rules as recommended",
      assigned: "Rules assigned by hand",
      ruleModes: "Modes by rule",
      ruleContexts: "Contexts by rule",
    },
    "web-application-firewall": {
      mode: "Mode",
      ruleSet: "Rule set",
      paranoiaLevel: "Paranoia level that blocks",
      detectionParanoiaLevel: "Paranoia level that is told of",
      inboundThreshold: "Score from which a request is blocked",
      outboundThreshold: "Score from which a response is blocked",
      inspectResponses: "Look at responses",
      reportBelowThreshold: "Tell of requests below the threshold too",
      profiles: "Profiles of applications",
      exclusions: "Exclusions",
      requestBodyBytes: "Longest body of a request in bytes",
      uploadBytes: "Longest body of an upload in bytes",
      responseBodyBytes: "Bytes of a response's body that are looked at",
      beyondLimit: "A longer body",
      bodyLimits: "Longest bodies by path",
    },
    "anti-malware": {
      mode: "Mode",
      realTime: "Scan files when they were written",
      onAccess: "Opening a file waits for its scan, and is denied where it is malware",
      action: "What happens to an infected file",
      failureResponse: "If scanning is not possible",
      roots: "Watched folders",
      exclusions: "Folders and files that are not scanned",
      maxFileBytes: "Bytes of a file that are scanned at most",
      scheduleHours: "Hours between scheduled scans",
    },
    "integrity-monitoring": {
      mode: "Mode",
      sets: "Sets of files",
      intervalMinutes: "Minutes between scheduled scans",
      maxFiles: "Most files that are watched",
    },
    "log-inspection": {
      mode: "Mode",
      sources: "Log files",
      minimumLevel: "Lowest level that makes an event",
      ruleModes: "Modes by rule",
    },
    "web-reputation": {
      mode: "Mode",
      httpPorts: "Remote HTTP ports",
      tlsPorts: "Remote TLS ports",
      blockPage: "Answer a blocked plaintext request with a page",
      blocked: "Blocked sites",
      allowed: "Sites that are never blocked",
      useContent: "Use the lists of the content as well",
    },
    "network-engine": {
      mode: "Mode",
    },
    recommendation: {
      mode: "Mode",
      intervalMinutes: "Minutes between looks at what is installed",
      webRoots: "Folders in which web applications are looked for",
    },
  },
  settingHint: {
    firewall: {
      stateful: statefulEn.hint,
      rules:
        "The highest priority is asked first; inside a priority bypass, log only, force allow, deny, allow, then by name. Log only has priority 4, allow 0.",
      alwaysAllowManager:
        "Without this only the trial of each change keeps you from cutting the computer off.",
      reconnaissance:
        "By kind: scan, fingerprint, null, fin, xmas, syn-fin. What is not named is not looked for. A source that is blocked is let in again by its time, by the list of sources below, or by 'sakimori-agent firewall unblock'.",
      reconnaissanceTargets: "Ports or addresses that nothing answers at, from one source.",
      reconnaissanceExcept:
        "Monitoring and scanners of your own, one a line: 192.0.2.7, 192.0.2.0/24, list:NAME.",
      reconnaissanceOnly: "All where nothing is named. One a line: 192.0.2.7, 192.0.2.0/24, list:NAME.",
      confirmWithinSecs: "Otherwise the rules of before come back.",
      operatorConfirms:
        "On the computer's page or by 'sakimori firewall confirm'; otherwise the rules of before come back.",
    },
    "intrusion-prevention": {
      mode: "The upper bound for every rule: a rule blocks only where both this and its own mode say so.",
      httpPorts: "Ports or ranges, separated by commas: 80, 8000-8090",
      defaultRuleMode: "For every rule that has no mode of its own below.",
      assignAll:
        "Otherwise only rules that are assigned by hand. Does not count where recommended rules are assigned.",
      assigned: "By number. “No” is never assigned, whatever is recommended.",
      ruleContexts: "By number. Where none of its contexts holds, the rule is off.",
    },
    "web-application-firewall": {
      ruleSet: "Its name; empty is the one that was imported last.",
      paranoiaLevel: "From 1, few false alarms, to 4, many.",
      detectionParanoiaLevel: "Not below the level that blocks.",
      inspectResponses: "Every packet of responses is then inspected.",
      profiles: "By name: wordpress.",
      exclusions: "What rules do not look at. From an event they are made with one click.",
      bodyLimits: "A path, or its beginning with * at the end: /api/*",
    },
    "anti-malware": {
      action: "Where the mode is Prevent.",
      maxFileBytes: "Of a larger file only the beginning is scanned.",
      scheduleHours: "0 is never.",
      roots: "Whole paths, from / on.",
      exclusions: "Whole paths, from / on.",
    },
    "integrity-monitoring": {
      intervalMinutes: "0 is never.",
    },
    "log-inspection": {
      minimumLevel: "From 0 to 15, as OSSEC counts them.",
      ruleModes: "By the number of the rule.",
    },
    "web-reputation": {
      httpPorts: "Ports or ranges, separated by commas: 80, 8000-8090",
      tlsPorts: "Ports or ranges, separated by commas: 80, 8000-8090",
      blocked: "A domain, or a domain and the beginning of a path: example.com/bad/",
      allowed: "A domain, or a domain and the beginning of a path: example.com/bad/",
    },
    "network-engine": {
      mode: "In a tap packets are still looked at on their way, but none is dropped, whatever modes and failure responses say.",
    },
    recommendation: {
      webRoots: "One folder a line.",
    },
  },
  choice: {
    BeyondLimit: {
      reject: "Is refused",
      partial: "Is looked at in its first part",
    },
    NetworkEngineMode: {
      inline: "Inline: each module does what its own mode says",
      tap: "Tap: nothing is stopped, what would be is reported",
    },
    FailureResponse: {
      open: "Let it pass (it is counted)",
      closed: "Stop it",
    },
    ProbeResponse: {
      off: "Off",
      report: "Report",
      block: "Report and block the source",
    },
    Probe: {
      scan: "Scan of ports or addresses",
      fingerprint: "Probe for the operating system",
      null: "Null scan",
      fin: "FIN scan",
      xmas: "Xmas scan",
      "syn-fin": "SYN+FIN scan",
    },
    FirewallDefault: {
      auto: "Denied where a rule allows something in this direction",
      allow: "Allow",
      deny: "Deny",
    },
    FirewallAction: {
      allow: "Allow",
      deny: "Deny",
      "force-allow": "Force allow",
      bypass: "Bypass",
      "log-only": "Log only",
    },
    Frame: {
      ip: "IPv4 and IPv6",
      ipv4: "IPv4",
      ipv6: "IPv6",
      arp: "ARP",
    },
    FirewallExcept: {
      remote: "Remote addresses",
      local: "Local addresses",
      ports: "Ports",
      sourcePorts: "Source ports",
      macs: "Network cards (MAC)",
      interfaces: "Interfaces",
      flags: "TCP flags",
      icmp: "ICMP types",
    },
    Direction: {
      in: "Inbound",
      out: "Outbound",
    },
    Protocol: {
      any: "Any",
      tcp: "TCP",
      udp: "UDP",
      icmp: "ICMP",
      icmpv6: "ICMPv6",
      igmp: "IGMP",
      gre: "GRE",
      esp: "ESP",
      ah: "AH",
      sctp: "SCTP",
      arp: "ARP",
    },
    MalwareAction: {
      pass: "Report only",
      deny: "Leave it, but deny opening it",
      quarantine: "Move to the quarantine",
      delete: "Delete",
    },
    Attribute: {
      size: "Length",
      mode: "Permissions",
      owner: "Owner",
      group: "Group",
      mtime: "Time of the last change of content",
      ctime: "Time of the last change of anything",
      inode: "Inode number",
      sha256: "Content (SHA-256)",
      target: "Target of a symbolic link",
    },
    LogFormat: {
      syslog: "With a syslog header",
      plain: "Plain lines",
    },
  },
  member: {
    WafExclusion: {
      rule: "Rule by its number",
      tag: "Or rules with the tag",
      variable: "Variable",
      path: "Path",
      note: "Note",
    },
    value: "Value",
    FirewallStateful: statefulEn.member,
    FirewallRule: {
      action: "Action",
      direction: "Direction",
      protocol: "Protocol",
      remote: "Remote addresses",
      local: "Local addresses",
      frame: "Packets",
      ports: "Ports",
      sourcePorts: "Source ports",
      interfaces: "Interfaces",
      flags: "TCP flags",
      icmp: "ICMP types",
      not: "Everything but these",
      priority: "Priority",
      log: "Report what it lets pass",
      mode: "Mode",
      schedule: "Times",
      macs: "Network cards (MAC)",
      context: "Contexts",
    },
    ProbeReaction: {
      response: "Response",
      blockMinutes: "Minutes that its source is blocked",
    },
    FileSet: {
      base: "Folder or file",
      include: "Patterns",
      exclude: "Left out",
      attributes: "Watched",
      severity: "Severity",
      realTime: "At once",
    },
    LogSource: {
      path: "Path",
      format: "Format",
    },
  },
  memberHint: {
    WafExclusion: {
      rule: "0 where a tag is named.",
      variable: "ARGS:content, REQUEST_COOKIES:session; empty is everything.",
      path: "A path, or its beginning with * at the end; empty is everywhere.",
    },
    FirewallStateful: statefulEn.memberHint,
    FirewallRule: {
      action:
        "Allow denies what no rule names in this direction. Force allow passes whatever later rules deny. Bypass is one way, for each packet, and is not inspected. Log only reports and changes nothing.",
      frame: "IPv4 and IPv6 (ip), ipv4, ipv6, arp, or frames of another EtherType by its number: 0x88cc.",
      protocol: "TCP, UDP, ICMP and others by name, or a protocol's number.",
      remote: "One a line: 192.0.2.7, 192.0.2.0/24, 192.0.2.1-192.0.2.9, list:NAME.",
      local: "Of this computer or its containers, one a line.",
      ports: "That are connected to: 443, 8000-8090, list:NAME.",
      sourcePorts: "That are connected from.",
      interfaces: "That inbound packets come in by, or outbound ones leave by, one a line: eth0, eth*.",
      flags: "One combination a line, with ! for a flag that must not be set: syn,!ack.",
      icmp: "One type a line, with its code where only that is meant: 8, 3/4.",
      not: "Of what is ticked here, everything that is not named is meant.",
      priority: "0 to 4, the highest first. Allow has 0, log only 4.",
      macs: "One a line. Only for inbound traffic.",
    },
  },
  moduleState: {
    active: "Active",
    off: "Off",
    degraded: "Degraded",
    failed: "Failed",
  },
  moduleReason: {
    firewall: {
      ...statefulEn.reason,
      "table-refused": "The kernel refused the packet filter table; the former one stays in force.",
      "no-packet-samples":
        "The kernel takes no samples of packets (nft_log, nfnetlink_log): denied packets are counted, but there are no events.",
      "containers-not-seen":
        "The kernel cannot tell containers' interfaces (before Linux 5.6): only the computer itself is protected.",
      "manager-unresolved":
        "The manager's name does not resolve, so rules that close ways out are not applied yet.",
      unconfirmed:
        "A change of the rules is in force on trial: it is taken back unless it is confirmed in time.",
      reverted:
        "The policy's firewall was taken back, because it cut the manager off or nobody confirmed it; the rules of before are in force.",
      "released-by-hand":
        "A person at the computer released the firewall: it lets everything pass for a while.",
    },
    "intrusion-prevention": {
      "rules-refused": "The newest rules do not compile; the former ones stay in force. Correct the rules.",
      "queue-unavailable":
        "The kernel gives no packet queue: traffic is not inspected. Load nfnetlink_queue.",
      "worker-restarting": "The network worker is being restarted.",
      "sandbox-without-landlock":
        "The kernel has no Landlock: the inspecting process is confined less strictly.",
      "sandbox-without-seccomp":
        "The kernel has no seccomp: the inspecting process is confined less strictly.",
    },
    "anti-malware": {
      "fanotify-unavailable":
        "The kernel does not report file access (fanotify): only scheduled and manual scans work.",
      "on-access-unavailable":
        "The kernel does not let the agent decide about opening files: they are scanned when they are written, and opening them is not denied.",
      "not-watched":
        "A folder of the settings does not exist, or its file system cannot be watched (network, FUSE, proc).",
      "scanner-restarting":
        "A scanner ended unexpectedly and a new one is starting; files wait for it, openers at most for their deadline.",
      "sandbox-without-landlock":
        "The kernel has no Landlock: the scanner is confined by the system call filter and without privileges alone.",
      "sandbox-without-seccomp": "The scanner runs without its system call filter.",
      "scanner-unavailable":
        "Anti-malware could not be started on this computer; the agent's status says why.",
    },
    "integrity-monitoring": {
      "too-many-files":
        "The file sets name more files than allowed; the rest is not watched. Narrow the sets or raise the bound.",
      "baseline-building": "The first look at the files is under way; changes are seen when it has ended.",
      "real-time-unavailable":
        "The kernel reports no file events (fanotify with names, Linux 5.9); changes are found by scheduled scans only.",
      "real-time-partly":
        "Some file systems report no events; changes on them are found by scheduled scans only.",
      "baseline-not-kept":
        "The baseline cannot be written to disk; changes made while the agent is stopped may be missed. Check the disk.",
      "integrity-failed": "The monitoring could not be started, or has ended; see the agent's log.",
    },
    "log-inspection": {
      "source-unreadable": "A log source is missing or cannot be read.",
      "source-missing":
        "No file has the path of a log source. It is read from its beginning as soon as there is one.",
      "too-many-logs": "The sources mean more files than are followed at once. Narrow their paths.",
      "worker-restarting":
        "The process that judges log lines is being started again. The lines wait in their files.",
      "rules-refused":
        "The log rules do not compile; the former ones stay in force. Correct what the findings name.",
      "logs-unavailable": "Log inspection could not be started on this computer.",
    },
    "web-application-firewall": {
      "no-rule-set":
        "There is no rule set to judge by: import one, and name it in the policy where there are several.",
    },
    "web-reputation": {
      "no-lists": "There is no list to judge by: assign content, or name sites in the policy.",
      "containers-not-seen":
        "The kernel cannot tell containers' interfaces (before Linux 5.6): only connections of the computer itself are judged.",
    },
    recommendation: {
      "inventory-incomplete":
        "Not everything could be looked at: a folder could not be read, there is too much of it, packages are not dpkg's, or the cloud's metadata service did not answer. Rules are not called superfluous by what was not seen.",
      "inventory-failed": "The inventory could not be taken; it is tried again. See the agent's log.",
    },
    agent: {
      "spool-full":
        "Events wait for the manager and their space is used up; the least important ones are dropped.",
    },
  },
  mode: {
    off: "Off",
    detect: "Detect only",
    prevent: "Prevent",
  },
  counter: {
    "waf-requests": "Requests judged by the web application firewall",
    "waf-blocked": "Requests and responses blocked",
    "waf-detected": "Requests and responses detected",
    "waf-bodies-not-inspected": "Bodies not inspected whole for want of memory",
    packets: "Packets inspected",
    bytes: "Bytes inspected",
    "packets-uninspected": "Packets passed without inspection",
    "packets-not-inspected": "Packets that cannot be inspected",
    "packets-dropped": "Packets dropped",
    "packets-refused": "Packets dropped because inspection was not possible",
    "packets-queued": "Packets handed over by the kernel",
    "packets-judged": "Packets decided on",
    "blocked-sources": "Sources that are blocked now because they looked for ways in",
    "blocked-source-packets": "Packets of blocked sources, dropped in the kernel",
    "packets-blocked-in-kernel": "Packets of blocked connections, dropped in the kernel",
    "packets-done-in-kernel": "Packets of finished inspections, passed in the kernel",
    flows: "Connections",
    "flows-midstream": "Connections that were open before inspection began",
    "flows-blocked": "Connections blocked",
    "http-requests": "HTTP requests",
    blocked: "Attacks blocked",
    detected: "Attacks detected",
    "anomalies-packet": "Anomalies in packets",
    "anomalies-stream": "Anomalies in streams",
    "anomalies-http": "Anomalies in HTTP",
    "events-lost": "Events lost",
    "worker-restarts": "Restarts of the inspecting process",
    "files-scanned": "Files scanned",
    "bytes-scanned": "Bytes scanned",
    "files-infected": "Infected files",
    "files-partial": "Files of which only a part was scanned",
    "files-unscanned": "Files that could not be scanned",
    "cache-hits": "Files known from before",
    "opens-denied": "Opens denied",
    "opens-failure-response": "Opens answered without a scan",
    "files-quarantined": "Files moved to the quarantine",
    "files-deleted": "Files deleted",
    "actions-failed": "Actions that failed",
    files: "Files watched",
    scans: "Scans",
    changes: "Changes seen",
    "names-heard": "Changed names told by the kernel",
    overflows: "Overflows of the kernel's notices",
    "bytes-read": "Bytes read",
    "files-unreadable": "Files that could not be read",
    "folders-unread": "Folders that could not be read",
    "files-not-watched": "Files beyond the bound, not watched",
    lines: "Log lines read",
    events: "Events",
    "events-dropped": "Events dropped",
    "lines-cut": "Long lines that were cut",
    "lines-skipped": "Lines skipped",
    "past-events-forgotten": "Past events forgotten",
  },
};
