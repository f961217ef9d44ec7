import WaybillEngine

/// How the end of a kind of job is told.
public struct NoticeStyle: Sendable, Hashable {
    /// A counter of the job that the message tells.
    public struct Counter: Sendable, Hashable {
        /// The counter's name in the job.
        public var name: String
        /// What stands behind the number: `rows exported`.
        public var words: String
        /// Whether it is told when it is 0.
        public var isToldAtZero: Bool

        public init(_ name: String, _ words: String, isToldAtZero: Bool = true) {
            self.name = name
            self.words = words
            self.isToldAtZero = isToldAtZero
        }
    }

    /// What the title begins with: `Content export`.
    public var noun: String
    /// A path in which `{jobId}` stands for the job; nil: no link.
    public var link: String?
    public var counters: [Counter]
    /// What is told of a completed job whose counters are all 0; nil: the counters.
    public var nothing: String?

    public init(noun: String, link: String? = nil, counters: [Counter] = [], nothing: String? = nil) {
        self.nothing = nothing
        self.noun = noun
        self.link = link
        self.counters = counters
    }
}

/// Which kinds of jobs are told of, and how.
public struct NoticeStyles: Sendable {
    public var byKind: [JobKind: NoticeStyle]
    /// For kinds without a style of their own.
    public var other: NoticeStyle
    /// Kinds whose ends are told to nobody.
    public var silent: Set<JobKind>

    public init(
        _ byKind: [JobKind: NoticeStyle] = [:], other: NoticeStyle = NoticeStyle(noun: "Job", link: "/jobs/{jobId}"),
        silent: Set<JobKind> = []
    ) {
        self.byKind = byKind
        self.other = other
        self.silent = silent
    }

    /// nil: the kind is silent.
    func style(of kind: JobKind) -> NoticeStyle? {
        silent.contains(kind) ? nil : byKind[kind] ?? other
    }
}
