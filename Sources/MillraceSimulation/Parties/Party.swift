/// Somebody who lives, dies, is stopped, and comes again.
class Party {
    unowned let world: World
    let index: Int
    let name: String
    /// Grows with each death: what belongs to an earlier life does not happen any more.
    private(set) var life = 0
    private(set) var isUp = true
    /// It is stopped until then, and goes on as if nothing had been.
    private(set) var stalledUntil: Int64 = 0

    init(_ world: World, _ name: String, index: Int) {
        self.world = world
        self.index = index
        self.name = "\(name)-\(index)"
    }

    var isStalled: Bool { stalledUntil > world.now }

    func die() {
        life += 1
        isUp = false
        stalledUntil = 0
    }

    func rise() {
        isUp = true
    }

    func stall(for duration: Int64) {
        stalledUntil = max(stalledUntil, world.now + duration)
    }

    func goOn() {
        stalledUntil = 0
    }

    /// Does something later in this life.
    func after(_ milliseconds: Int64, _ action: @escaping () throws -> Void) {
        world.after(milliseconds, in: self, action)
    }
}
