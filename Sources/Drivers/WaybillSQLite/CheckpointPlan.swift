/// When the log is moved into the file. Pure: it is told of commits and of moves, and says when the next move begins.
///
/// A move has two parts. The first goes on beside the writer, and ends short of what was committed meanwhile; the second takes
/// that rest in the writer's own turn, after which the log begins anew.
struct CheckpointPlan: Sendable {
    /// The first part is done again while more pages than this are left, a few times.
    static let restPagesMax = 500
    static let roundsMax = 3

    let pagesMax: Int
    private var isMoving = false
    private var dueAt: Int
    /// Pages of the log after the last commit.
    private(set) var pages = 0

    init(pagesMax: Int) {
        self.pagesMax = max(1, pagesMax)
        dueAt = self.pagesMax
    }

    /// Notes a commit.
    /// - Returns: whether a move begins now. None does before the one under way has ended.
    mutating func committed(pages: Int) -> Bool {
        if pages < self.pages { dueAt = pagesMax }
        self.pages = pages
        guard !isMoving, pages >= dueAt else { return false }
        isMoving = true
        return true
    }

    /// Whether the first part is worth another round: there is much left, and the log has not begun anew.
    func goesOn(moved: Int, round: Int) -> Bool {
        round < Self.roundsMax && pages - moved > Self.restPagesMax
    }

    /// Notes the end of a move. What a reader holds back is tried again once the log has grown by a part of itself: each try
    /// looks at all of it.
    mutating func ended(moved: Int) {
        isMoving = false
        dueAt = pages > moved ? pages + max(pagesMax, pages / 4) : pagesMax
    }
}
