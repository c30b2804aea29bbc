#compdef cofounderctl
# zsh completion for cofounderctl(1); made by `cofounderctl completion zsh`.
_cofounderctl() {
  local -a words_left=(${words[2,CURRENT-1]:#-*})
  local path="${words_left[1]} ${words_left[2]}"
  case "$path" in
    'metrics summary'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'config show'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'config check'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        '::the main file, /etc/cofounderd/cofounderd.toml when it is not given:_files' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'config reload'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task submit'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        '*--arg=[an argument that is a string; NAME\:=JSON for any other value]:NAME=VALUE: ' \
        '--args=[all arguments as a JSON object; @FILE reads a file, - standard input]:JSON: ' \
        '*--file=[send a file and pass it as argument NAME]:NAME=PATH:_files' \
        '--delay=[run it so much later]:DURATION: ' \
        '--at=[run it then, for instance 2026-11-23T17\:00\:00Z]:TIME: ' \
        '--key=[a unique key\: while a task with it is alive there is no second one]:KEY: ' \
        '--wait=-[wait until it is over, at most so long]::DURATION: ' \
        '--queue=[the queue it waits in]:NAME: ' \
        '--priority=[-100 to 100, higher first]:N: ' \
        '--timeout=[the deadline of one attempt]:DURATION: ' \
        '--attempts=[how often it is tried at most]:N: ' \
        ':the operation, PLUGIN.OPERATION: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task show'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        ':the task'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task list'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        '--state=[only those in this state]:STATE:(scheduled ready running succeeded failed cancelled timed_out)' \
        '--op=[only those of this operation]:OP: ' \
        '--queue=[only those of this queue]:NAME: ' \
        '--limit=[so many at most, up to 1000]:N: ' \
        '--after=[go on after the end of an earlier list]:CURSOR: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task cancel'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        '*:the tasks'\'' ids: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task retry'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        '*:the tasks'\'' ids: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task wait'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        '--timeout=[at most so long; then the exit code is 6]:DURATION: ' \
        ':the task'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task why'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        ':the task'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task watch'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        ':the task'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'schedule put'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        '--cron=["0 3 * * *", with six fields the first is seconds; "@daily"]:EXPRESSION: ' \
        '--calendar=[as systemd'\''s OnCalendar\: "Mon..Fri 9\:00"]:EXPRESSION: ' \
        '--every=[an interval]:DURATION: ' \
        '--timezone=[such as Europe/Vienna; UTC when it is not given]:ZONE: ' \
        '--missed=[what becomes of times that passed while no daemon ran]:POLICY:(skip once all)' \
        '--overlap=[what happens while the last task is still alive]:POLICY:(allow skip)' \
        '*--arg=[an argument that is a string; NAME\:=JSON for any other value]:NAME=VALUE: ' \
        '--args=[all arguments as a JSON object; @FILE reads a file, - standard input]:JSON: ' \
        '--queue=[the queue it waits in]:NAME: ' \
        '--priority=[-100 to 100, higher first]:N: ' \
        '--timeout=[the deadline of one attempt]:DURATION: ' \
        '--attempts=[how often it is tried at most]:N: ' \
        ':the schedule'\''s name: ' \
        ':the operation, PLUGIN.OPERATION: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'schedule show'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        ':the schedule'\''s name: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'schedule list'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'schedule remove'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        ':the schedule'\''s name: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'schedule run'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        ':the schedule'\''s name: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin list'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin show'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        ':the plugin'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin start'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        ':the plugin'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin stop'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        ':the plugin'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin restart'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        ':the plugin'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin reload'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        ':the plugin'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin inspect'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        ':a .so file:_files' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin new'*)
      ((CURRENT > 3)) && shift 2 words && ((CURRENT -= 2))
      _arguments \
        '--directory=[the folder to make; NAME when it is not given]:PATH:_files -/' \
        '--template=[copy this folder instead of the SDK'\''s template]:PATH:_files -/' \
        ':its id\: small letters, digits and dashes: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'status '*)
      ((CURRENT > 2)) && shift 1 words && ((CURRENT -= 1))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'health '*)
      ((CURRENT > 2)) && shift 1 words && ((CURRENT -= 1))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'events '*)
      ((CURRENT > 2)) && shift 1 words && ((CURRENT -= 1))
      _arguments \
        '--since=[begin after this event]:ID: ' \
        '--task=[only those of this task]:ID: ' \
        '--plugin=[only those of this plugin]:ID: ' \
        '--count=[end after so many]:N: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'metrics '*)
      ((CURRENT > 2)) && shift 1 words && ((CURRENT -= 1))
      _arguments \
        '--openmetrics[in OpenMetrics format]' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'drain '*)
      ((CURRENT > 2)) && shift 1 words && ((CURRENT -= 1))
      _arguments \
        '--wait=-[wait until nothing runs, at most so long]::DURATION: ' \
        '--end[begin tasks again]' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'version '*)
      ((CURRENT > 2)) && shift 1 words && ((CURRENT -= 1))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'completion '*)
      ((CURRENT > 2)) && shift 1 words && ((CURRENT -= 1))
      _arguments \
        ':bash or zsh:(bash zsh)' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'config '*) _values command show check reload ;;
    'task '*) _values command submit show list cancel retry wait why watch ;;
    'schedule '*) _values command put show list remove run ;;
    'plugin '*) _values command list show start stop restart reload inspect new ;;
    *) _values command status health events metrics drain config version completion task schedule plugin ;;
  esac
}
_cofounderctl "$@"
