import ArgumentParser
@main struct Millrace: ParsableCommand { func run() {} }
