/// When the log is moved into the file. Pure: it is told of commits and of moves, and says when the next move begins.
///
/// A move has two parts. The first goes on beside the writer, and ends short of what was committed meanwhile; the second takes
/// that rest in the writer's own turn, after which the log begins anew.
struct CheckpointPlan: Sendable {
    /// The first part is done again while more pages than this are left, a few times.
    static let restPagesMax = 500
    static let roundsMax = 3

    let pagesMax: Int
    /// While a reader holds the rest back, the end of a read is looked at again after so many times as long as the last try took.
    static let restFactor: UInt64 = 4

    private var isMoving = false
    private var isHeldBack = false
    private var restsUntil: UInt64 = 0
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
        if pages < self.pages {
            dueAt = pagesMax
            isHeldBack = false
        }
        self.pages = pages
        guard !isMoving, pages >= dueAt else { return false }
        isMoving = true
        return true
    }

    /// Notes the end of a read: it may have been the one that held the rest back, and none may hold it until the next commit.
    /// - Parameter now: in nanoseconds of a clock that never goes back.
    /// - Returns: whether a move begins now.
    mutating func readEnded(now: UInt64) -> Bool {
        guard isHeldBack, !isMoving, now >= restsUntil else { return false }
        isMoving = true
        return true
    }

    /// Whether the first part is worth another round: there is much left, and the log has not begun anew.
    func goesOn(moved: Int, round: Int) -> Bool {
        round < Self.roundsMax && pages - moved > Self.restPagesMax
    }

    /// Notes the end of a move. What a reader holds back is tried again when a read has ended, or once the log has grown by a
    /// part of itself: each try looks at all of it.
    /// - Parameters:
    ///   - began: when the last try to move something began, by the clock of `readEnded`.
    ///   - now: by the same clock.
    mutating func ended(moved: Int, began: UInt64, now: UInt64) {
        isMoving = false
        isHeldBack = pages > moved
        dueAt = isHeldBack ? pages + max(pagesMax, pages / 4) : pagesMax
        restsUntil = now + Self.restFactor * (now > began ? now - began : 0)
    }
}
