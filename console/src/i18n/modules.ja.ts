import { statefulJa } from "./firewallStateful";

/** モジュールの設定、選択肢、状態、理由、数値の表示文。 */
export const modulesJa = {
  module: {
    firewall: "ファイアウォール",
    "intrusion-prevention": "侵入防御",
    "web-application-firewall": "Web アプリケーション ファイアウォール",
    "anti-malware": "不正プログラム対策",
    "integrity-monitoring": "変更監視",
    "log-inspection": "セキュリティログ監視",
    "web-reputation": "Web レピュテーション",
    "network-engine": "ネットワークエンジン",
    recommendation: "推奨設定の検索",
    agent: "エージェント",
    manager: "マネージャー",
  },
  moduleHint: {
    firewall:
      "どの接続を許可するかを決めます。確立済みの接続、ループバック、エージェントからマネージャへの通信は常に許可されます。",
    "intrusion-prevention": "仮想パッチを含むシグネチャでネットワーク通信を検査します。",
    "web-application-firewall":
      "OWASP Core Rule Set のルールで HTTP リクエストを検査します。侵入防御のモードにかかわらず、侵入防御の HTTP ポートが対象です。",
    "anti-malware": "書き込み時、オープン時、予約、手動でファイルを検索します。",
    "integrity-monitoring":
      "変更されるべきでないファイルの変更を通知します。変更は元に戻さないため、「防御」は「検出のみ」と同じです。",
    "log-inspection":
      "コンピュータのログから攻撃の兆候を見つけます。ログは止められないため、「防御」は「検出のみ」と同じです。",
    "web-reputation": "危険なことがわかっているサイトへの通信を防ぎます。",
    "network-engine":
      "ファイアウォール、侵入防御、Web アプリケーション ファイアウォール、Web レピュテーションに共通の設定です。",
    recommendation:
      "インストールされているソフトウェアを調べ、必要なルールを推奨します。何も止めないため、「防御」は「検出のみ」と同じです。",
    agent: "コンピュータ上ですべてを実行するプログラムです。",
  },
  setting: {
    firewall: {
      mode: "モード",
      defaultInbound: "ルールにない受信トラフィック",
      defaultOutbound: "ルールにない送信トラフィック",
      alwaysAllowManager: "マネージャへの通信をルールにかかわらず常に許可する",
      confirmWithinSecs: "変更後にマネージャへ接続できるまでの制限時間 (秒)",
      operatorConfirms: "変更のたびに運用者の確認を必要とする",
      operatorWithinSecs: "運用者が確認するまでの制限時間 (秒)",
      reconnaissance: "探索行為の検出",
      reconnaissanceTargets: "スキャンと判定するポートまたはアドレスの数",
      reconnaissanceWithinSecs: "スキャンと判定する時間 (秒)",
      reconnaissanceExcept: "検出の対象外とする送信元",
      reconnaissanceOnly: "検出の対象とする自身のアドレス",
      rules: "ファイアウォールルール",
      stateful: statefulJa.title,
    },
    "intrusion-prevention": {
      mode: "モード",
      failureResponse: "検査できない場合の動作",
      httpPorts: "HTTP ポート",
      answerPage: "ブロックした HTTP リクエストに、インシデント ID を記載したページで応答する",
      defaultRuleMode: "その他のルールのモード",
      assignAll: "すべてのルールを割り当てる",
      assignRecommended: "推奨に従ってルールを自動的に割り当て、解除する",
      assigned: "手動で割り当てたルール",
      ruleModes: "ルール別のモード",
      ruleContexts: "ルールごとのコンテキスト",
    },
    "web-application-firewall": {
      mode: "モード",
      ruleSet: "ルールセット",
      paranoiaLevel: "遮断するパラノイアレベル",
      detectionParanoiaLevel: "検出するパラノイアレベル",
      inboundThreshold: "リクエストを遮断するスコア",
      outboundThreshold: "応答を遮断するスコア",
      inspectResponses: "応答を検査する",
      reportBelowThreshold: "しきい値未満のリクエストも記録する",
      profiles: "アプリケーションのプロファイル",
      exclusions: "除外",
      requestBodyBytes: "リクエスト本文の上限 (バイト)",
      uploadBytes: "アップロード本文の上限 (バイト)",
      responseBodyBytes: "検査する応答本文の長さ (バイト)",
      beyondLimit: "上限を超える本文",
      bodyLimits: "パスごとの本文の上限",
    },
    "anti-malware": {
      mode: "モード",
      realTime: "書き込まれたファイルを検索する",
      onAccess: "ファイルを開く前に検索し、不正プログラムの場合は拒否する",
      action: "感染ファイルの処理",
      failureResponse: "検索できない場合の動作",
      roots: "監視するフォルダ",
      exclusions: "検索しないフォルダとファイル",
      maxFileBytes: "検索するファイルサイズの上限 (バイト)",
      scheduleHours: "予約検索の間隔 (時間)",
    },
    "integrity-monitoring": {
      mode: "モード",
      sets: "監視対象",
      intervalMinutes: "予約検索の間隔 (分)",
      maxFiles: "監視するファイル数の上限",
    },
    "log-inspection": {
      mode: "モード",
      sources: "ログファイル",
      minimumLevel: "イベントにする最低レベル",
      ruleModes: "ルール別のモード",
    },
    "web-reputation": {
      mode: "モード",
      httpPorts: "接続先の HTTP ポート",
      tlsPorts: "接続先の TLS ポート",
      blockPage: "ブロックした平文のリクエストにページで応答する",
      blocked: "ブロックするサイト",
      allowed: "常に許可するサイト",
      useContent: "コンテンツのリストも使用する",
    },
    "network-engine": {
      mode: "モード",
    },
    recommendation: {
      mode: "モード",
      intervalMinutes: "調査の間隔 (分)",
      webRoots: "Web アプリケーションを探すフォルダ",
    },
  },
  settingHint: {
    firewall: {
      stateful: statefulJa.hint,
      rules:
        "優先度の高いルールから順に評価します。同じ優先度では、バイパス、ログのみ、強制的に許可、拒否、許可の順、次に名前順です。ログのみの優先度は 4、許可の優先度は 0 です。",
      alwaysAllowManager: "無効にすると、通信が断たれるのを防ぐのは変更時の試験適用のみになります。",
      reconnaissance:
        "種類ごとに指定します: scan、fingerprint、null、fin、xmas、syn-fin。指定のない種類は検出しません。遮断した送信元は、期限が過ぎるか、下の対象外の一覧に加えるか、'sakimori-agent firewall unblock' で再び通過できます。",
      reconnaissanceTargets: "1 つの送信元が問い合わせた、応答のないポートまたはアドレスの数です。",
      reconnaissanceExcept:
        "監視サーバーや自社のスキャナーなどを 1 行に 1 つずつ入力します: 192.0.2.7、192.0.2.0/24、list:名前",
      reconnaissanceOnly:
        "空の場合はすべてが対象です。1 行に 1 つずつ入力します: 192.0.2.7、192.0.2.0/24、list:名前",
      confirmWithinSecs: "接続できなければ以前のルールに戻ります。",
      operatorConfirms:
        "コンピュータのページまたは「sakimori firewall confirm」で確認します。確認しなければ以前のルールに戻ります。",
    },
    "intrusion-prevention": {
      mode: "すべてのルールの上限です。この設定とルールのモードがともに「防御」の場合にのみブロックします。",
      httpPorts: "ポート番号または範囲をカンマで区切って入力します (例: 80, 8000-8090)",
      defaultRuleMode: "以下で個別にモードを設定していないすべてのルールに適用されます。",
      assignAll:
        "オフの場合は、手動で割り当てたルールのみになります。推奨ルールを割り当てる場合、この設定は使われません。",
      assigned: "番号で指定します。「いいえ」のルールは、推奨されても割り当てません。",
      ruleContexts: "番号で指定します。どのコンテキストにも該当しない場所では、ルールは無効になります。",
    },
    "web-application-firewall": {
      ruleSet: "名前で指定します。空の場合は最後にインポートしたものを使用します。",
      paranoiaLevel: "1 (誤検出が少ない) から 4 (多い) までです。",
      detectionParanoiaLevel: "遮断するレベル以上を指定します。",
      inspectResponses: "応答のすべてのパケットを検査します。",
      profiles: "名前で指定します: wordpress",
      exclusions: "ルールが検査しないものです。イベントから 1 クリックで作成できます。",
      bodyLimits: "パス、または末尾に * を付けたパスの先頭です: /api/*",
    },
    "anti-malware": {
      action: "モードが「防御」の場合に適用されます。",
      maxFileBytes: "より大きいファイルは先頭部分のみ検索します。",
      scheduleHours: "0 は実行しません。",
      roots: "/ から始まるパスで指定します。",
      exclusions: "/ から始まるパスで指定します。",
    },
    "integrity-monitoring": {
      intervalMinutes: "0 は実行しません。",
    },
    "log-inspection": {
      minimumLevel: "OSSEC と同じ 0~15 のレベルです。",
      ruleModes: "ルール番号で指定します。",
    },
    "web-reputation": {
      httpPorts: "ポート番号または範囲をカンマで区切って入力します (例: 80, 8000-8090)",
      tlsPorts: "ポート番号または範囲をカンマで区切って入力します (例: 80, 8000-8090)",
      blocked: "ドメイン、またはドメインとパスの先頭 (例: example.com/bad/)",
      allowed: "ドメイン、またはドメインとパスの先頭 (例: example.com/bad/)",
    },
    "network-engine": {
      mode: "タップでもパケットは通過時に検査されますが、モードや障害時の動作の設定にかかわらず、破棄されません。",
    },
    recommendation: {
      webRoots: "1 行に 1 つのフォルダを入力します。",
    },
  },
  choice: {
    BeyondLimit: {
      reject: "拒否する",
      partial: "先頭部分のみを検査する",
    },
    NetworkEngineMode: {
      inline: "インライン: 各モジュールのモードに従う",
      tap: "タップ: 何も遮断せず、遮断対象だったものを記録する",
    },
    FailureResponse: {
      open: "通過させる (件数は記録する)",
      closed: "遮断する",
    },
    ProbeResponse: {
      off: "オフ",
      report: "報告のみ",
      block: "報告して送信元を遮断",
    },
    Probe: {
      scan: "ポートまたはアドレスのスキャン",
      fingerprint: "OS を特定する探索",
      null: "NULL スキャン",
      fin: "FIN スキャン",
      xmas: "Xmas スキャン",
      "syn-fin": "SYN+FIN スキャン",
    },
    FirewallDefault: {
      auto: "同じ方向に許可ルールがあれば拒否",
      allow: "許可",
      deny: "拒否",
    },
    FirewallAction: {
      allow: "許可",
      deny: "拒否",
      "force-allow": "強制的に許可",
      bypass: "バイパス",
      "log-only": "ログのみ",
    },
    Frame: {
      ip: "IPv4 と IPv6",
      ipv4: "IPv4",
      ipv6: "IPv6",
      arp: "ARP",
    },
    FirewallExcept: {
      remote: "接続相手のアドレス",
      local: "このコンピュータのアドレス",
      ports: "ポート",
      sourcePorts: "接続元ポート",
      macs: "送信元 MAC アドレス",
      interfaces: "インターフェース",
      flags: "TCP フラグ",
      icmp: "ICMP タイプ",
    },
    Direction: {
      in: "受信",
      out: "送信",
    },
    Protocol: {
      any: "すべて",
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
      pass: "報告のみ",
      deny: "そのまま残し、開く操作を拒否",
      quarantine: "隔離",
      delete: "削除",
    },
    Attribute: {
      size: "サイズ",
      mode: "アクセス権",
      owner: "所有者",
      group: "グループ",
      mtime: "内容の更新時刻",
      ctime: "状態の変更時刻",
      inode: "inode 番号",
      sha256: "内容 (SHA-256)",
      target: "シンボリックリンクの参照先",
    },
    LogFormat: {
      syslog: "syslog ヘッダーあり",
      plain: "ヘッダーなし",
    },
  },
  member: {
    WafExclusion: {
      rule: "ルール番号",
      tag: "またはルールのタグ",
      variable: "変数",
      path: "パス",
      note: "メモ",
    },
    value: "値",
    FirewallStateful: statefulJa.member,
    FirewallRule: {
      action: "処理",
      direction: "方向",
      protocol: "プロトコル",
      remote: "接続相手のアドレス",
      local: "このコンピュータのアドレス",
      frame: "パケットの種類",
      ports: "ポート",
      sourcePorts: "接続元ポート",
      interfaces: "インターフェース",
      flags: "TCP フラグ",
      icmp: "ICMP タイプ",
      not: "指定したもの以外を対象とする項目",
      priority: "優先度",
      log: "通過させた通信を記録する",
      mode: "モード",
      schedule: "有効な時間帯",
      macs: "送信元 MAC アドレス",
      context: "コンテキスト",
    },
    ProbeReaction: {
      response: "対応",
      blockMinutes: "送信元を遮断する時間 (分)",
    },
    FileSet: {
      base: "フォルダまたはファイル",
      include: "対象パターン",
      exclude: "除外パターン",
      attributes: "監視する属性",
      severity: "重大度",
      realTime: "即時検出",
    },
    LogSource: {
      path: "パス",
      format: "形式",
    },
  },
  memberHint: {
    WafExclusion: {
      rule: "タグを指定する場合は 0 です。",
      variable: "ARGS:content、REQUEST_COOKIES:session など。空はすべてです。",
      path: "パス、または末尾に * を付けたパスの先頭。空はすべてのパスです。",
    },
    FirewallStateful: statefulJa.memberHint,
    FirewallRule: {
      action:
        "「許可」を使うと、同じ方向でどのルールにもない通信は拒否されます。「強制的に許可」は後のルールの拒否より優先されます。「バイパス」は一方向のパケットごとに適用され、検査されません。「ログのみ」は記録だけを行います。",
      frame:
        "ip (IPv4 と IPv6)、ipv4、ipv6、arp、またはその他の EtherType の番号 (例: 0x88cc) を入力します。",
      protocol: "TCP、UDP、ICMP などの名前、またはプロトコル番号を入力します。",
      remote: "1 行に 1 つずつ入力します: 192.0.2.7、192.0.2.0/24、192.0.2.1-192.0.2.9、list:名前",
      local: "このコンピュータまたはコンテナのアドレスを 1 行に 1 つずつ入力します。",
      ports: "接続先のポート: 443, 8000-8090, list:名前",
      sourcePorts: "接続元のポートです。",
      interfaces:
        "受信パケットが入る、または送信パケットが出るインターフェースを 1 行に 1 つずつ入力します: eth0、eth*",
      flags: "1 行に 1 つの組み合わせを入力します。! は設定されていないフラグを表します: syn,!ack",
      icmp: "1 行に 1 つのタイプを入力します。コードも指定できます: 8、3/4",
      not: "選択した項目では、指定した値以外のすべてが対象になります。",
      priority: "0 から 4 で、高いものから評価します。許可は 0、ログのみは 4 です。",
      macs: "1 行に 1 つずつ入力します。受信方向のルールでのみ使用できます。",
    },
  },
  moduleState: {
    active: "有効",
    off: "オフ",
    degraded: "機能低下",
    failed: "停止",
  },
  moduleReason: {
    firewall: {
      ...statefulJa.reason,
      "table-refused": "カーネルがパケットフィルタの表を拒否したため、以前の表が有効です。",
      "no-packet-samples":
        "カーネルがパケットのサンプルを取得できない (nft_log、nfnetlink_log) ため、拒否の回数のみ記録され、イベントは作成されません。",
      "containers-not-seen":
        "カーネルがコンテナのインターフェースを区別できない (Linux 5.6 より前) ため、コンピュータ本体のみを保護しています。",
      "manager-unresolved":
        "マネージャの名前を解決できないため、外向き通信を閉じるルールはまだ適用していません。",
      unconfirmed: "ルールの変更を試験的に適用しています。時間内に確認されなければ元に戻ります。",
      reverted:
        "ポリシーのファイアウォールは、マネージャとの通信を断ったか確認されなかったため取り消され、以前のルールが有効です。",
      "released-by-hand": "コンピュータ上で手動により解除され、しばらくの間すべての通信を通過させます。",
    },
    "intrusion-prevention": {
      "rules-refused":
        "最新のルールをコンパイルできないため、以前のルールが有効です。ルールを修正してください。",
      "queue-unavailable":
        "カーネルのパケットキューが使えないため、通信は検査されません。nfnetlink_queue を読み込んでください。",
      "worker-restarting": "ネットワークワーカーを再起動しています。",
      "sandbox-without-landlock": "カーネルに Landlock がないため、検査プロセスの隔離が弱くなっています。",
      "sandbox-without-seccomp": "カーネルに seccomp がないため、検査プロセスの隔離が弱くなっています。",
    },
    "anti-malware": {
      "fanotify-unavailable":
        "カーネルがファイルアクセスを通知しない (fanotify) ため、予約検索と手動検索のみ動作します。",
      "on-access-unavailable":
        "カーネルがファイルを開く操作の可否をエージェントに委ねないため、書き込み時の検索のみ行い、開く操作は拒否できません。",
      "not-watched":
        "設定されたフォルダが存在しないか、そのファイルシステム (ネットワーク、FUSE、proc) は監視できません。",
      "scanner-restarting":
        "スキャナが予期せず終了し、新しいスキャナを起動しています。ファイルは待機し、開く操作は期限までしか待ちません。",
      "sandbox-without-landlock":
        "カーネルに Landlock がないため、スキャナはシステムコール制限と権限の放棄だけで隔離されています。",
      "sandbox-without-seccomp": "スキャナがシステムコール制限なしで動作しています。",
      "scanner-unavailable":
        "このコンピュータで不正プログラム対策を開始できません。理由はエージェントの状態に表示されます。",
    },
    "integrity-monitoring": {
      "too-many-files":
        "監視対象のファイルが上限を超えたため、残りは監視されません。対象を絞るか上限を上げてください。",
      "baseline-building": "最初の走査中です。完了後から変更を検出します。",
      "real-time-unavailable":
        "カーネルがファイルイベント (Linux 5.9 の fanotify) を提供しないため、変更は定期走査でのみ検出されます。",
      "real-time-partly":
        "イベントを提供しないファイルシステムがあり、その変更は定期走査でのみ検出されます。",
      "baseline-not-kept":
        "ベースラインをディスクに保存できません。エージェント停止中の変更を見逃す可能性があります。ディスクを確認してください。",
      "integrity-failed": "監視を開始できないか、停止しました。エージェントのログを確認してください。",
    },
    "log-inspection": {
      "source-unreadable": "ログソースが存在しないか、読み取れません。",
      "source-missing":
        "ログソースのパスに該当するファイルがありません。作成されると先頭から読み取られます。",
      "too-many-logs": "ソースに該当するファイルが同時に監視できる数を超えています。パスを絞ってください。",
      "worker-restarting":
        "ログを判定するプロセスを再起動しています。行はファイルに残っており、失われません。",
      "rules-refused":
        "ログルールをコンパイルできないため、以前のルールが有効です。指摘された箇所を修正してください。",
      "logs-unavailable": "このコンピューターでセキュリティログ監視を開始できませんでした。",
    },
    "web-application-firewall": {
      "no-rule-set":
        "判定に使うルールセットがありません。ルールセットをインポートし、複数ある場合はポリシーで名前を指定してください。",
    },
    "web-reputation": {
      "no-lists":
        "判定に使うリストがありません。コンテンツを割り当てるか、ポリシーでサイトを指定してください。",
      "containers-not-seen":
        "カーネルがコンテナのインターフェースを区別できない (Linux 5.6 より前) ため、コンピュータ本体の通信のみを判定しています。",
    },
    recommendation: {
      "inventory-incomplete":
        "読み取れないフォルダがある、量が多すぎる、dpkg 以外のパッケージ管理である、またはクラウドのメタデータサービスが応答しないため、一部を確認できませんでした。確認できなかったものを理由にルールが不要と判断されることはありません。",
      "inventory-failed":
        "インベントリを取得できませんでした。再試行します。エージェントのログを確認してください。",
    },
    agent: {
      "spool-full": "マネージャへの送信待ちイベントで領域がいっぱいです。重要度の低いものから破棄されます。",
    },
  },
  mode: {
    off: "オフ",
    detect: "検出のみ",
    prevent: "防御",
  },
  counter: {
    "waf-requests": "Web アプリケーション ファイアウォールが判定したリクエスト",
    "waf-blocked": "遮断したリクエストと応答",
    "waf-detected": "検出したリクエストと応答",
    "waf-bodies-not-inspected": "メモリ不足で全体を検査できなかった本文",
    packets: "検査したパケット",
    bytes: "検査したバイト数",
    "packets-uninspected": "検査せずに通過したパケット",
    "packets-not-inspected": "検査できない種類のパケット",
    "packets-dropped": "破棄したパケット",
    "packets-refused": "検査できないために破棄したパケット",
    "packets-queued": "カーネルから受け取ったパケット",
    "packets-judged": "判定したパケット",
    "blocked-sources": "探索行為のため現在遮断している送信元",
    "blocked-source-packets": "カーネルで破棄した、遮断中の送信元からのパケット",
    "packets-blocked-in-kernel": "カーネルで破棄した、ブロック済み接続のパケット",
    "packets-done-in-kernel": "カーネルで通過させた、検査済み接続のパケット",
    flows: "接続",
    "flows-midstream": "検査開始前から確立していた接続",
    "flows-blocked": "ブロックした接続",
    "http-requests": "HTTP リクエスト",
    blocked: "ブロックした攻撃",
    detected: "検出した攻撃",
    "anomalies-packet": "パケットの異常",
    "anomalies-stream": "ストリームの異常",
    "anomalies-http": "HTTP の異常",
    "events-lost": "失われたイベント",
    "worker-restarts": "検査プロセスの再起動",
    "files-scanned": "検索したファイル",
    "bytes-scanned": "検索したバイト数",
    "files-infected": "感染ファイル",
    "files-partial": "一部のみ検索したファイル",
    "files-unscanned": "検索できなかったファイル",
    "cache-hits": "検索済みのファイル",
    "opens-denied": "拒否したオープン",
    "opens-failure-response": "検索せずに応答したオープン",
    "files-quarantined": "隔離したファイル",
    "files-deleted": "削除したファイル",
    "actions-failed": "失敗した処理",
    files: "監視中のファイル",
    scans: "検索回数",
    changes: "検出した変更",
    "names-heard": "カーネルから通知された変更",
    overflows: "カーネル通知のオーバーフロー",
    "bytes-read": "読み取ったバイト数",
    "files-unreadable": "読み取れなかったファイル",
    "folders-unread": "読み取れなかったフォルダ",
    "files-not-watched": "上限を超え監視していないファイル",
    lines: "読み取ったログの行",
    events: "イベント",
    "events-dropped": "破棄したイベント",
    "lines-cut": "途中で切った長い行",
    "lines-skipped": "読み飛ばした行",
    "past-events-forgotten": "保持をやめた過去のイベント",
  },
};
