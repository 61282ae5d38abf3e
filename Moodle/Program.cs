return Moodle.Cli.MoodleCommand.Run(args);
