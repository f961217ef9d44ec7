extension SQLRow {
    /// The row without the columns behind the first `count`, for those who ask for more than they hand on.
    @inlinable public func prefix(_ count: Int) -> SQLRow {
        count >= cells.count ? self : SQLRow(cells: UnsafeMutableBufferPointer(rebasing: cells[0..<max(0, count)]))
    }
}
