//! Every setting, described once: for reading the file, the variables and the flags, and for the documentation.

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Text.
    Text,
    /// A list of texts.
    Texts,
    /// `true` or `false`.
    YesNo,
    /// A whole number between these, inclusive.
    Whole(u64, u64),
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// Its name in the file.
    pub(super) name: &'static str,
    /// What it takes.
    pub(super) form: Form,
    /// What holds without it, as the file would say it; empty if nothing does.
    pub(super) default: &'static str,
    /// What it means, in a sentence or two.
    pub(super) meaning: &'static str,
    /// A value as the file writes it.
    pub(super) example: &'static str,
    /// The variable that overrides the file.
    pub(super) variable: Option<&'static str>,
    /// The flag that overrides the variable.
    pub(super) flag: Option<&'static str>,
    /// Whether SIGHUP puts a change in force.
    pub(super) reload: bool,
}

impl Setting {
    const BLANK: Self = Self {
        name: "",
        form: Form::Text,
        default: "",
        meaning: "",
        example: "",
        variable: None,
        flag: None,
        reload: false,
    };

    /// What a value must be, with an example.
    pub(super) fn wanted(&self) -> String {
        let form = match self.form {
            Form::Text => "text in quotes".to_owned(),
            Form::Texts => "a list of texts".to_owned(),
            Form::YesNo => return "write true or false".to_owned(),
            Form::Whole(least, most) => {
                format!("a whole number from {} to {}", grouped(least), grouped(most))
            }
        };
        format!("write {form}, such as {}", self.example)
    }
}

/// A number as people read it: `36,500`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A hundred years: what is kept longer is kept for ever.
const DAYS_MAX: u64 = 36_500;
/// More keys than one machine holds.
const KEYS_MAX: u64 = 1_000_000_000;
/// Service managers are rarely told to wait longer.
const DRAIN_SECONDS_MAX: u64 = 600;

pub(super) const DATA: Setting = Setting {
    name: "data",
    default: "\"claviger-data\"",
    meaning: "The folder for everything that Claviger keeps. It is created with mode 0700 at the first start.",
    example: "\"/var/lib/claviger\"",
    variable: Some("CLAVIGER_DATA"),
    flag: Some("data"),
    ..Setting::BLANK
};
pub(super) const DATABASE: Setting = Setting {
    name: "database",
    default: "`claviger.sqlite` in the data folder",
    meaning: "The database, as `sqlite:PATH`. The journal of revocations is kept beside it.",
    example: "\"sqlite:/var/lib/claviger/claviger.sqlite\"",
    variable: Some("CLAVIGER_DATABASE"),
    flag: Some("database"),
    ..Setting::BLANK
};
pub(super) const LISTEN: Setting = Setting {
    name: "listen",
    default: "\"127.0.0.1:8400\"",
    meaning: "Where the API listens. An address that other machines reach needs `trusted_proxies`. Port 0 takes a free port.",
    example: "\"127.0.0.1:8400\"",
    variable: Some("CLAVIGER_LISTEN"),
    flag: Some("listen"),
    ..Setting::BLANK
};
pub(super) const GATEWAY_LISTEN: Setting = Setting {
    name: "gateway_listen",
    default: "\"127.0.0.1:8401\"",
    meaning: "Where the gateway and forward-auth listen. An address that other machines reach needs `trusted_proxies`.",
    example: "\"127.0.0.1:8401\"",
    variable: Some("CLAVIGER_GATEWAY_LISTEN"),
    flag: Some("gateway-listen"),
    ..Setting::BLANK
};
pub(super) const ADMIN_LISTEN: Setting = Setting {
    name: "admin_listen",
    default: "\"127.0.0.1:8402\"",
    meaning: "Where health and metrics are served. This listener takes no keys; keep it off the Internet.",
    example: "\"127.0.0.1:8402\"",
    variable: Some("CLAVIGER_ADMIN_LISTEN"),
    flag: Some("admin-listen"),
    ..Setting::BLANK
};
pub(super) const PUBLIC_URL: Setting = Setting {
    name: "public_url",
    default: "the API's address",
    meaning: "The address under which people reach the API. The `type` of a problem leads there.",
    example: "\"https://keys.example.org\"",
    variable: Some("CLAVIGER_PUBLIC_URL"),
    ..Setting::BLANK
};
pub(super) const TRUSTED_PROXIES: Setting = Setting {
    name: "trusted_proxies",
    form: Form::Texts,
    default: "[]",
    meaning: "Addresses of the proxies in front. Only their `X-Forwarded-For` and `X-Forwarded-Proto` are believed.",
    example: "[\"10.0.0.5\", \"192.168.7.0/24\"]",
    variable: Some("CLAVIGER_TRUSTED_PROXIES"),
    ..Setting::BLANK
};
pub(super) const ACCOUNT_KEYS_REACH_TEAMS: Setting = Setting {
    name: "account_keys_reach_teams",
    form: Form::YesNo,
    default: "false",
    meaning: "Whether an account's key reaches what the account's teams own.",
    example: "true",
    variable: Some("CLAVIGER_ACCOUNT_KEYS_REACH_TEAMS"),
    reload: true,
    ..Setting::BLANK
};
pub(super) const KEYS_PER_SUBJECT_MAX: Setting = Setting {
    name: "keys_per_subject_max",
    form: Form::Whole(1, KEYS_MAX),
    default: "10000",
    meaning: "Keys of one account, team, project or resource, expired and disabled ones included. It only guards against runaways; a rotation may go a tenth beyond it.",
    example: "10000",
    variable: Some("CLAVIGER_KEYS_PER_SUBJECT_MAX"),
    reload: true,
    ..Setting::BLANK
};
pub(super) const TEAMS_PER_ACCOUNT_MAX: Setting = Setting {
    name: "teams_per_account_max",
    form: Form::Whole(1, KEYS_MAX),
    default: "1000",
    meaning: "Teams created for one account, closed ones included, whoever owns them now.",
    example: "1000",
    variable: Some("CLAVIGER_TEAMS_PER_ACCOUNT_MAX"),
    reload: true,
    ..Setting::BLANK
};
pub(super) const PROJECTS_PER_OWNER_MAX: Setting = Setting {
    name: "projects_per_owner_max",
    form: Form::Whole(1, KEYS_MAX),
    default: "1000",
    meaning: "Projects of one account or team, closed ones included.",
    example: "1000",
    variable: Some("CLAVIGER_PROJECTS_PER_OWNER_MAX"),
    reload: true,
    ..Setting::BLANK
};
pub(super) const EXPIRED_KEY_RETENTION_DAYS: Setting = Setting {
    name: "expired_key_retention_days",
    form: Form::Whole(0, DAYS_MAX),
    default: "30",
    meaning: "Days for which an expired or retired key stays listed. Then it is deleted.",
    example: "30",
    variable: Some("CLAVIGER_EXPIRED_KEY_RETENTION_DAYS"),
    reload: true,
    ..Setting::BLANK
};
pub(super) const HISTORY_RETENTION_DAYS: Setting = Setting {
    name: "history_retention_days",
    form: Form::Whole(0, DAYS_MAX),
    default: "400",
    meaning: "Days for which the history is kept; 0 keeps it for ever.",
    example: "400",
    variable: Some("CLAVIGER_HISTORY_RETENTION_DAYS"),
    reload: true,
    ..Setting::BLANK
};
pub(super) const JOURNAL_RETENTION_DAYS: Setting = Setting {
    name: "journal_retention_days",
    form: Form::Whole(0, DAYS_MAX),
    default: "90",
    meaning: "Days for which the journal of revocations reaches back, and so the age of the oldest backup worth restoring; 0 keeps it for ever.",
    example: "90",
    variable: Some("CLAVIGER_JOURNAL_RETENTION_DAYS"),
    reload: true,
    ..Setting::BLANK
};
pub(super) const USAGE_RETENTION_DAYS: Setting = Setting {
    name: "usage_retention_days",
    form: Form::Whole(1, DAYS_MAX),
    default: "400",
    meaning: "Days for which the hourly counters of keys are kept; those of minutes are kept for one day. A monthly quota that must survive a restart needs 31.",
    example: "400",
    variable: Some("CLAVIGER_USAGE_RETENTION_DAYS"),
    reload: true,
    ..Setting::BLANK
};
pub(super) const DRAIN_SECONDS: Setting = Setting {
    name: "drain_seconds",
    form: Form::Whole(0, DRAIN_SECONDS_MAX),
    default: "8",
    meaning: "Seconds that requests under way get to end after SIGTERM. Container runtimes kill after 10, so raise their limit first.",
    example: "8",
    variable: Some("CLAVIGER_DRAIN_SECONDS"),
    ..Setting::BLANK
};
pub(super) const LOG: Setting = Setting {
    name: "log",
    default: "\"info\"",
    meaning: "What is logged: `error`, `warn`, `info`, `debug` or `trace`, each with everything before it.",
    example: "\"info\"",
    variable: Some("CLAVIGER_LOG"),
    flag: Some("log"),
    ..Setting::BLANK
};
pub(super) const LOG_FORMAT: Setting = Setting {
    name: "log_format",
    default: "\"text\"",
    meaning: "How the log is written: `text`, or `json` with one object per line.",
    example: "\"json\"",
    variable: Some("CLAVIGER_LOG_FORMAT"),
    ..Setting::BLANK
};

/// The settings at the top of the file, in the order of the reference.
pub(super) const TOP: &[Setting] = &[
    DATA,
    DATABASE,
    LISTEN,
    GATEWAY_LISTEN,
    ADMIN_LISTEN,
    PUBLIC_URL,
    TRUSTED_PROXIES,
    ACCOUNT_KEYS_REACH_TEAMS,
    KEYS_PER_SUBJECT_MAX,
    TEAMS_PER_ACCOUNT_MAX,
    PROJECTS_PER_OWNER_MAX,
    EXPIRED_KEY_RETENTION_DAYS,
    HISTORY_RETENTION_DAYS,
    JOURNAL_RETENTION_DAYS,
    USAGE_RETENTION_DAYS,
    DRAIN_SECONDS,
    LOG,
    LOG_FORMAT,
];

/// A table of the file, or a list of tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    /// Its first name.
    pub(super) name: &'static str,
    /// Its header in the file, as a reader writes it.
    pub(super) header: &'static str,
    /// What it is for.
    pub(super) meaning: &'static str,
    pub(super) settings: &'static [Setting],
    /// Whether SIGHUP puts a change in force.
    pub(super) reload: bool,
}

pub(super) const FORMAT_PREFIX: Setting = Setting {
    name: "prefix",
    default: "\"\"",
    meaning: "What every key of the format begins with: up to 16 of A-Z, a-z, 0-9, `_` and `-`.",
    example: "\"acme_\"",
    ..Setting::BLANK
};
pub(super) const FORMAT_LENGTH: Setting = Setting {
    name: "length",
    form: Form::Whole(1, 256),
    meaning: "Characters of a key in all. Enough must remain to guess: 128 bits after prefix, checksum and preview.",
    example: "43",
    ..Setting::BLANK
};
pub(super) const FORMAT_CHECKSUM: Setting = Setting {
    name: "checksum",
    form: Form::YesNo,
    default: "true",
    meaning: "Whether the last six characters are a checksum, by which a mistyped key is recognised.",
    example: "true",
    ..Setting::BLANK
};
pub(super) const DEFAULT_FORMAT: Setting = Setting {
    name: "format",
    default: "the format of the kind's own name",
    meaning: "The format of new keys of this kind.",
    example: "\"account\"",
    ..Setting::BLANK
};
pub(super) const DEFAULT_SCOPES: Setting = Setting {
    name: "scopes",
    form: Form::Texts,
    default: "[\"*:read\"]; none for operators, whose scopes must be named",
    meaning: "The scopes of a new key that names none. An empty list allows nothing.",
    example: "[\"notebook:read\"]",
    ..Setting::BLANK
};
pub(super) const LEAKS_ONLY_TOLD: Setting = Setting {
    name: "only_told",
    form: Form::Texts,
    default: "[]",
    meaning: "Kinds whose keys a leak report does not disable; it is only recorded in the history.",
    example: "[\"account\"]",
    reload: true,
    ..Setting::BLANK
};
pub(super) const GITHUB_IDENTIFIER: Setting = Setting {
    name: "identifier",
    meaning: "The `key_identifier` of the public key, as GitHub lists it.",
    example: "\"bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c\"",
    ..Setting::BLANK
};
pub(super) const GITHUB_PEM: Setting = Setting {
    name: "pem",
    meaning: "The public key (P-256) in PEM.",
    example: GITHUB_PEM_EXAMPLE,
    ..Setting::BLANK
};
/// The curve's generator: a point that everybody knows, and so nobody's key.
const GITHUB_PEM_EXAMPLE: &str = "\"\"\"
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
\"\"\"";

pub(super) const FORMATS: Section = Section {
    name: "formats",
    header: "[formats.acme]",
    meaning: "How the text of keys is made. Built in are `account` (`sk_`), `team` (`sk-team-`), `project` (`sk-project-`), `resource` (`rk_`) and `operator` (`ck_`), each with 32 random characters and a checksum, and `thirty_two`: 32 characters without prefix and checksum. A format of the same name replaces a built-in one; keys made under an earlier format go on working.",
    settings: &[FORMAT_PREFIX, FORMAT_LENGTH, FORMAT_CHECKSUM],
    reload: false,
};
pub(super) const DEFAULTS: Section = Section {
    name: "defaults",
    header: "[defaults.account]",
    meaning: "What a creation means that does not say otherwise, per kind of key: `account`, `team`, `project`, `resource` or `operator`.",
    settings: &[DEFAULT_FORMAT, DEFAULT_SCOPES],
    reload: true,
};
pub(super) const LEAKS: Section = Section {
    name: "leaks",
    header: "[leaks]",
    meaning: "What a report of a leaked key does. Without this, a report disables keys of every kind but resource keys, which a report never disables.",
    settings: &[LEAKS_ONLY_TOLD],
    reload: true,
};
pub(super) const GITHUB_KEYS: Section = Section {
    name: "github_keys",
    header: "[[leaks.github_keys]]",
    meaning: "Public keys with which GitHub signs its reports; several at a time while they rotate. Without any, reports in GitHub's form are refused.",
    settings: &[GITHUB_IDENTIFIER, GITHUB_PEM],
    reload: false,
};

pub(super) const ROUTE_METHODS: Setting = Setting {
    name: "methods",
    form: Form::Texts,
    default: "[\"GET\"]",
    meaning: "Methods in upper case; `GET` covers `HEAD`.",
    example: "[\"GET\", \"POST\"]",
    ..Setting::BLANK
};
/// A field of a route. The gateway reads the values; what is wrong with one is said by its own error.
pub(super) const ROUTES: Section = Section {
    name: "routes",
    header: "[[routes]]",
    meaning: "Routes of the gateway and of forward-auth. `docs/GATEWAY.md` explains them.",
    settings: &[
        Setting {
            name: "path",
            meaning: "The path, with named captures: `{name}` takes part of one segment, `{rest..}` at the end all that is left.",
            example: "\"/d/{notebook}@{version}.{format}\"",
            ..Setting::BLANK
        },
        ROUTE_METHODS,
        Setting {
            name: "host",
            default: "any",
            meaning: "The host that a request must name, with its port if it has one.",
            example: "\"api.example.org\"",
            ..Setting::BLANK
        },
        Setting {
            name: "target",
            default: "nothing in particular",
            meaning: "What a request is about: `type:{capture}`, `account:{capture}`, `team:{capture}` or `project:{capture}`.",
            example: "\"notebook:{notebook}\"",
            ..Setting::BLANK
        },
        Setting {
            name: "version",
            default: "the latest",
            meaning: "The version of the resource: a capture, or a number from 1.",
            example: "\"{version}\"",
            ..Setting::BLANK
        },
        Setting {
            name: "action",
            default: "any key that is accepted will do",
            meaning: "The action that the key must be allowed, `type:action`.",
            example: "\"notebook:read\"",
            ..Setting::BLANK
        },
        Setting {
            name: "credentials",
            form: Form::Texts,
            default: "all; `query` on GET and HEAD only",
            meaning: "Where keys are read: `bearer`, `api_key`, `basic`, `x_api_key`, `query`. Other places are neither read nor removed.",
            example: "[\"bearer\", \"x_api_key\"]",
            ..Setting::BLANK
        },
        Setting {
            name: "anonymous",
            form: Form::YesNo,
            default: "false",
            meaning: "Whether public resources are served without a key.",
            example: "true",
            ..Setting::BLANK
        },
        Setting {
            name: "context",
            default: "\"api\"",
            meaning: "`api`, or `embed` for pages that stand inside others, where only resource keys work.",
            example: "\"embed\"",
            ..Setting::BLANK
        },
        Setting {
            name: "resources",
            default: "\"mirrored\"",
            meaning: "`mirrored` if Claviger knows the resources; `host` if only your application does, and decides about them.",
            example: "\"host\"",
            ..Setting::BLANK
        },
        Setting {
            name: "paths",
            default: "\"plain\"",
            meaning: "`plain` refuses paths that could be read in two ways; `any` passes them on, for applications that take them literally.",
            example: "\"any\"",
            ..Setting::BLANK
        },
        Setting {
            name: "history",
            default: "\"writes\"",
            meaning: "Which requests the history records: `all`, `writes` or `off`.",
            example: "\"all\"",
            ..Setting::BLANK
        },
        Setting {
            name: "origins",
            form: Form::Texts,
            default: "[]",
            meaning: "Web origins whose scripts may call the route; `*` for all.",
            example: "[\"https://example.org\"]",
            ..Setting::BLANK
        },
        Setting {
            name: "upstream",
            default: "none; the route is for forward-auth alone",
            meaning: "Where requests go: `http://host:port`, without a path.",
            example: "\"http://127.0.0.1:3000\"",
            ..Setting::BLANK
        },
        Setting {
            name: "get_body",
            form: Form::YesNo,
            default: "false",
            meaning: "Whether a GET or HEAD may carry a body. Only for applications that read it.",
            example: "true",
            ..Setting::BLANK
        },
        Setting {
            name: "body_bytes_max",
            form: Form::Whole(0, 1 << 40),
            default: "1073741824",
            meaning: "The largest body that is passed on, in bytes.",
            example: "10485760",
            ..Setting::BLANK
        },
        Setting {
            name: "body_bytes_per_second_min",
            form: Form::Whole(0, 1 << 30),
            default: "1024",
            meaning: "How slowly a client may send a body after the first 10 seconds, in bytes per second; 0 sets no least speed.",
            example: "0",
            ..Setting::BLANK
        },
    ],
    reload: true,
};

/// The tables of the file, in the order of the reference.
pub(super) const SECTIONS: &[Section] = &[FORMATS, DEFAULTS, LEAKS, GITHUB_KEYS, ROUTES];

/// A variable that is no setting of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
}

/// Variables that are no settings of the file.
pub(super) const VARIABLES: &[Variable] = &[
    Variable { name: "CLAVIGER_CONFIG", meaning: "The configuration file, as `--config`." },
    Variable {
        name: "CLAVIGER_OPERATOR_KEY",
        meaning: "The operator key to install at the first start in place of a generated one. Later starts leave the installation as it is. There is no setting in the file, since a file has more readers than a service's environment.",
    },
    Variable {
        name: "CLAVIGER_KEY",
        meaning: "The key that commands such as `claviger keys list` call with.",
    },
    Variable {
        name: "CLAVIGER_URL",
        meaning: "The address of the API that those commands call, as `--url`.",
    },
];
